"""Playing a scenario: a simulated company's two days of logs with an attack planted in them, and the truth beside."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tocsin.events import commands as events
from tocsin.rehearsals import company, decisions, intruder, logs, scraping, stuffing, traffic, workplace
from tocsin.rehearsals.company import Company
from tocsin.rehearsals.door import close_door, enrol_people
from tocsin.rehearsals.errors import FolderTaken, SizeRefused
from tocsin.rehearsals.telling import (
    MAIL,
    PHONE,
    chosen,
    import_address_book,
    tell_two,
    world_secrets,
    write_address_book,
)
from tocsin.rehearsals.values import LINES_MAX, LINES_MIN, Planted, ScenarioName, Simulated, Suspect

__all__ = [
    "COMPANY_NAME",
    "FINDINGS",
    "HOME",
    "MAIL",
    "PAGES",
    "PHONE",
    "chosen",
    "clear_folder",
    "close_door",
    "enrol_people",
    "import_address_book",
    "simulate",
    "tell_two",
    "world_secrets",
    "write_address_book",
]

FINDINGS = "findings"  # where the door puts what the investigation says
HOME = "home"  # the installation of its own in which the rest of the story is played
PAGES = ("phones.html", "mails.html")  # what the people who were told saw
_FOLDERS = ("logs", "truth", FINDINGS, HOME)
COMPANY_NAME = company.NAME


def clear_folder(folder: Path) -> None:
    """Make ``folder``, or empty it when an earlier rehearsal wrote it; a folder of anything else is refused."""
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / "truth" / "truth.json").is_file():
            raise FolderTaken(
                "This folder holds something no demo wrote.",
                where=folder,
                mend="Name another with --out, or an empty one.",
            )
        for name in PAGES:
            (folder / name).unlink(missing_ok=True)
        for name in _FOLDERS:
            shutil.rmtree(folder / name, ignore_errors=True)
    for name in _FOLDERS[:2]:
        (folder / name).mkdir(parents=True, exist_ok=True)


def simulate(
    scenario: ScenarioName,
    *,
    folder: Path,
    lines: int,
    seed: int,
    progress: Callable[[float], None],
) -> Simulated:
    """Write ``folder/logs`` (to be investigated) and ``folder/truth``; memory does not grow with ``lines``.

    The same scenario, lines and seed give the same logs with the same DuckDB. ``progress`` is told
    the share done (0..1).
    """
    if not LINES_MIN <= lines <= LINES_MAX:
        raise SizeRefused(
            f"{lines:,} lines are outside {LINES_MIN:,} to {LINES_MAX:,}.", mend="Name another number with --lines."
        )
    clear_folder(folder)
    firm = company.company(lines=lines, seed=seed)
    with events.Generator(folder) as generator:
        company.prepare(generator, firm)
        crawlers = {"ips": traffic.crawler_addresses(firm)}
        generator.run("SET VARIABLE crawler_ips = $ips", crawlers)
        look_alikes = _prepare_workplace(generator, firm) + _listeners_alike(generator)
        logs.prepare(generator)
        newcomers = traffic.plant_newcomers(generator, firm)
        planted = _plant(generator, firm, scenario=scenario, first_account=10_000_000 + firm.accounts + newcomers)
        written = logs.write(generator, firm, folder=folder / "logs", progress=progress)
        accounts = folder / "truth" / "accounts.csv"
        traffic.write_accounts(generator, firm, path=accounts)
        policy = decisions.write_policy(planted, path=folder / "truth" / "policy.yml")
        _write_truth(generator, firm, planted, look_alikes=look_alikes, folder=folder / "truth", lines=written)
    shutil.rmtree(folder / ".spill", ignore_errors=True)
    truth = folder / "truth" / "truth.json"
    return Simulated(folder / "logs", accounts, truth, policy, written, firm.first_ts, firm.last_ts)


def _plant(generator: events.Generator, firm: Company, *, scenario: ScenarioName, first_account: int) -> Planted:
    match scenario:
        case ScenarioName.INTRUDER:
            return intruder.plant(generator, firm)
        case ScenarioName.SCRAPE:
            return scraping.plant(generator, firm, first_account=first_account)
        case ScenarioName.STUFFING:
            return stuffing.plant(generator, firm)


def _prepare_workplace(generator: events.Generator, firm: Company) -> tuple[Suspect, ...]:
    """Choose who works from a train and who gets a new phone; both look like the intruder."""
    draw = firm.random("workplace")
    everyone = workplace.people(firm)
    traveller = draw.choice([who for who in everyone if who[2] == "support"])
    phones = draw.sample([who for who in everyone if who is not traveller], k=2)
    travelling = (traveller[0], draw.randrange(workplace.DAYS))
    workplace.prepare(generator, firm, travelling=travelling, enrolling=[who[0] for who in phones])
    return (
        Suspect("principal", traveller[1], "support from a train, over a carrier's address"),
        *(Suspect("principal", who[1], "enrolled a new phone, in the office") for who in phones),
        Suspect("principal", "svc-billing", "a service that reads customers' payments all day"),
    )


def _listeners_alike(generator: events.Generator) -> tuple[Suspect, ...]:
    """Name the keenest honest account of each suspicious-looking sort."""
    keenest = (
        "SELECT {what} FROM countries, range(0, 4000) r(near) "
        "WHERE near < size AND {sort}(low + near) ORDER BY near LIMIT 1"
    )
    sorts = (
        ("account", "account_name(low + near)", "uses_vpn", "moves between home and a VPN within a session"),
        ("account", "account_name(low + near)", "is_power", "listens all day"),
        ("address", "office_ip(low + near)", "works_in_office", "sixty people behind one office address"),
    )
    found = []
    for kind, what, sort, note in sorts:
        for (value,) in generator.rows(keenest.format(what=what, sort=sort)):
            found.append(Suspect(kind, value, note))
    return (*found, Suspect("api_key", traffic.PARTNER_KEY, "a partner that reads the catalogue around the clock"))


def _write_truth(
    generator: events.Generator,
    firm: Company,
    planted: Planted,
    *,
    look_alikes: tuple[Suspect, ...],
    folder: Path,
    lines: int,
) -> None:
    record: dict[str, Any] = planted.as_record()
    record |= {"seed": firm.seed, "lines": lines, "first_ts": firm.first_ts, "last_ts": firm.last_ts}
    record["look_alikes"] = [{"type": who.type, "value": who.value, "note": who.note} for who in look_alikes]
    if planted.tried_sql:
        record["tried"] = generator.write_csv(planted.tried_sql, folder / "tried.csv")
    if planted.cohort:
        confirmed = [each.account for each in planted.confirmed]
        generator.run("SET VARIABLE confirmed = $names", {"names": confirmed})
        generator.run("SET VARIABLE at_most = $version", {"version": planted.cohort["version_at_most"]})
        record["cohort"]["accounts"] = generator.write_csv(
            f"""SELECT DISTINCT account FROM seen WHERE platform = '{planted.cohort["platform"]}'
            AND string_split(app_version, '.')::INTEGER[] <= string_split(getvariable('at_most'), '.')::INTEGER[]
            AND NOT list_contains(getvariable('confirmed'), account) ORDER BY account""",
            folder / "precaution.csv",
        )
    (folder / "truth.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
