"""What a directory is asked before it is relied on: does it let us in, does its policy demand a change, may we write."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import ldap3

from tocsin.containment.ports import Remark, Standing
from tocsin.containment.values import MeasureKind
from tocsin.integrations.ldap.directory import NO_RIGHT, POLICY_CONTROL, SUCCESS, Directory, Entry
from tocsin.kernel.language import gettext as _

NO_OP_CONTROL = "1.3.6.1.4.1.4203.666.5.2"  # OpenLDAP: work a request out and change nothing (slapd ldap.h)
NO_OPERATION = 0x410E  # the answer to a request that would have succeeded


def remarks(connection: Any, *, directory: Directory) -> Sequence[Remark]:
    """Return what was found, the good news too."""
    found = [Remark(Standing.OK, _("The directory answers and lets Tocsin in."))]
    controls, _naming = _root(connection)
    offers_policy = POLICY_CONTROL in controls
    found.append(
        Remark(Standing.OK, _("The directory speaks the password policy control."))
        if offers_policy
        else Remark(
            Standing.FAULT,
            _("The directory does not speak the password policy control: a flag would mean nothing."),
            _("Load the ppolicy overlay and give it a default policy."),
        )
    )
    found += _policy(connection, directory=directory)
    entries = list(islice(directory.search(connection, ""), 1))
    if not entries:
        what = _("No account is found below the base with this filter.")
        return [*found, Remark(Standing.FAULT, what, _("Check base and filter, and that bind_dn may read accounts."))]
    found.append(Remark(Standing.OK, _("Accounts are found.")))
    return [*found, *_may_write(connection, entry=entries[0], directory=directory, controls=controls)]


def _root(connection: Any) -> tuple[frozenset[str], Sequence[str]]:
    """Return the controls the server offers and its naming contexts (RFC 4512, section 5.1)."""
    _done, _result, response, _request = connection.search(
        "", "(objectClass=*)", search_scope=ldap3.BASE, attributes=["supportedControl", "namingContexts"]
    )
    raw: dict[str, list[bytes]] = next(
        (each["raw_attributes"] for each in response or () if each.get("type") == "searchResEntry"), {}
    )
    texts = {name: [value.decode() for value in values] for name, values in raw.items()}
    return frozenset(texts.get("supportedControl", ())), texts.get("namingContexts", [])


def _policy(connection: Any, *, directory: Directory) -> list[Remark]:
    """Look at the policies that can be read: pwdMustChange is what gives the flag its meaning."""
    _controls, contexts = _root(connection)
    must_change: list[str] = []
    readable = 0
    for context in contexts or [directory.settings.base]:
        _done, result, response, _request = connection.search(
            context, "(objectClass=pwdPolicy)", search_scope=ldap3.SUBTREE, attributes=["pwdMustChange"]
        )
        if result["result"] != SUCCESS:
            continue
        for each in response or ():
            if each.get("type") == "searchResEntry":
                readable += 1
                if each["raw_attributes"].get("pwdMustChange") != [b"TRUE"]:
                    must_change.append(str(each["dn"]))
    if must_change:
        what = _("The policy {dn} does not demand a change after a reset.").format(dn=must_change[0])
        return [Remark(Standing.FAULT, what, _("Set pwdMustChange to TRUE in it."))]
    if not readable:
        what = _("No password policy can be read, so whether pwdMustChange is TRUE is not known.")
        return [Remark(Standing.WARNING, what, _("Let bind_dn read the policy entries, or look yourself."))]
    return [Remark(Standing.OK, _("Every policy that can be read demands a change after a reset."))]


def _may_write(connection: Any, *, entry: Entry, directory: Directory, controls: frozenset[str]) -> list[Remark]:
    """Ask whether the flags may be written, with a request that the server works out and does not carry out."""
    if NO_OP_CONTROL not in controls:
        what = _("Whether the flags may be written cannot be tried without writing one.")
        return [Remark(Standing.WARNING, what, _("Apply to one account of your own first."))]
    written = {MeasureKind.RESET_PASSWORD: "pwdReset", MeasureKind.SUSPEND: "pwdAccountLockedTime"}
    found = []
    for kind in sorted(directory.settings.measures):
        attribute = written[kind]
        _done, result, _response, _request = connection.modify(
            entry.dn, {attribute: [(ldap3.MODIFY_REPLACE, [])]}, controls=[(NO_OP_CONTROL, True, None)]
        )
        if result["result"] in (SUCCESS, NO_OPERATION):
            found.append(Remark(Standing.OK, _("{attribute} may be written.").format(attribute=attribute)))
        else:
            what = _("{attribute} may not be written: {answer}.").format(
                attribute=attribute, answer=_("no right") if result["result"] == NO_RIGHT else result["description"]
            )
            mend = _("Give the entry of bind_dn the right to write {attribute}.").format(attribute=attribute)
            found.append(Remark(Standing.FAULT, what, mend))
    return found
