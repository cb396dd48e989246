"""What the simulated company's people decide once the scope is frozen: the policy of each scenario, as a file."""

from pathlib import Path

from tocsin.kernel import files
from tocsin.rehearsals.company import VERSIONS
from tocsin.rehearsals.values import Planted, ScenarioName

_HEAD = """\
# What Larkwave's security lead decides. `tocsin contain plan INCIDENT --policy FILE` reads it.
policy: {name}
title: {title}
leaked: [{leaked}]
"""
_ATTACKERS = """\
  - name: opened or owned by the intruder
    when: {role: attacker}
    measures: [suspend]
    at_once: true
"""
_IDENTITIES = """\
  - name: identity the intruder used
    when: {role: principal}
    measures: [revoke_sessions, reset_password]
    at_once: true
"""
_INTRUDER = """\
  - name: their data was read
    when: {{certainty: [confirmed, likely]}}
    measures: [revoke_sessions, reauthenticate]
    at_once: true
  - name: seen on a client whose signing key was read
    when: {{certainty: precaution}}
    measures: [reauthenticate, {update}]
everyone: [{update}]
"""
_SCRAPE = """\
  - name: everybody else in the scope
    measures: [none]
    reason: Only the catalogue was copied; nothing of theirs.
"""
_STUFFING = """\
  - name: entered with a stolen password, or with a stolen session
    when: {certainty: [confirmed, likely]}
    measures: [reset_password, revoke_sessions]
    at_once: true
  - name: only on the intruder's network
    when: {certainty: precaution}
    measures: [reauthenticate]
"""


def write_policy(planted: Planted, *, path: Path) -> Path:
    """Write the policy of a scenario into ``path`` and return it.

    After the intruder of 2014 everybody's Android client must be the release that is signed with a new key: the first
    that came after the affected ones.
    """
    name = planted.scenario.value
    match planted.scenario:
        case ScenarioName.INTRUDER:
            update = f"update_client: {{platform: android, version_min: {fixed_version(planted)}}}"
            rules = _IDENTITIES + _INTRUDER.format(update=f"{{{update}}}")
            head = _HEAD.format(name=name, title="An intruder in the internal tools", leaked="session, client")
        case ScenarioName.SCRAPE:
            head = _HEAD.format(name=name, title="The catalogue was copied", leaked="session")
            rules = _ATTACKERS + _SCRAPE
        case ScenarioName.STUFFING:
            head = _HEAD.format(name=name, title="Passwords stolen elsewhere were tried here", leaked="password")
            rules = _ATTACKERS + _STUFFING
    files.write_whole(path, head + "rules:\n" + rules)
    return path


def fixed_version(planted: Planted) -> str:
    """Return the first release of the affected client that comes after the affected ones."""
    listed = VERSIONS[planted.cohort["platform"]]
    return listed[listed.index(planted.cohort["version_at_most"]) + 1]
