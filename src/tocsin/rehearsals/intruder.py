"""The intruder of 2014: a phished member of staff, one customer's record, the key that signs the Android client."""

from dataclasses import dataclass
from random import Random

from tocsin.events import commands as events
from tocsin.rehearsals import addresses, workplace
from tocsin.rehearsals.company import BROWSERS, VERSIONS, Company
from tocsin.rehearsals.values import Planted, PlantedAccount, PlantedAttack, PlantedObject, ScenarioName, Suspect


@dataclass(frozen=True, slots=True)
class _Phished:
    """Whose identity was stolen, and what the thief shows of himself."""

    staff: str
    ip: str
    user_agent: str
    device: str

    def row(self, ts: int, **values: object) -> list[object]:
        """Return a row of the staff log: what is not said is null."""
        row: dict[str, object] = dict.fromkeys(workplace.STAFF)
        row |= {"ts": ts, "staff": self.staff, "ip": self.ip, "user_agent": self.user_agent, "device": self.device}
        return list((row | values).values())


def plant(generator: events.Generator, firm: Company) -> Planted:
    """Draw the attack and plant its rows; its moment is one at which the real person is not at work."""
    draw = firm.random("intruder")
    start_ts = firm.moment(draw.uniform(0.3, 0.8))
    hour = (start_ts // 3_600_000) % 24
    asleep = [who for who in workplace.people(firm) if who[2] == "support" and (hour - who[3]) % 24 > 9]
    kind = draw.choice(("hosting", "vpn"))
    phished = _Phished(
        staff=draw.choice(asleep)[1],
        ip=addresses.drawn(draw, kind=kind, count=1)[0],
        user_agent=draw.choice(BROWSERS),
        device=f"lt-{draw.randrange(7_000, 9_000)}",
    )
    version = draw.choice(VERSIONS["android"][2:-1])
    ((customer, first_session, session),) = generator.rows(
        "SELECT account_name($a), token('phished', 1), token('phished', 2)", {"a": draw.randrange(firm.accounts)}
    )
    rows = _entry(draw, phished, start_ts=start_ts, first_session=first_session, session=session)
    key_path = f"/releases/android/{version}/signing-key"
    rows += _reading(draw, phished, start_ts=_time_of(rows[-1]), session=session, customer=customer, key_path=key_path)
    last_ts = _time_of(rows[-1])
    generator.load("planted_staff_events", workplace.STAFF, rows)
    suspects = (Suspect("principal", phished.staff, "the phished member of staff"), Suspect("address", phished.ip))
    return Planted(
        scenario=ScenarioName.INTRUDER,
        attacks=(
            PlantedAttack(
                ("phishing", "persistence"), suspects, start_ts, last_ts, "a factor added after failed log-ins"
            ),
            PlantedAttack(
                ("internal_access", "session_theft"), suspects, start_ts, last_ts, "internal tools, from outside"
            ),
        ),
        confirmed=(PlantedAccount(customer, "victim", ("profile",)),),
        principals=(phished.staff,),
        objects=(PlantedObject("signing key", key_path),),
        data={"profile": "reached", "payment": "not_reached", "password": "not_reached"},
        cohort={"platform": "android", "version_at_most": version, "measures": ["sign_in_again", "update_client"]},
    )


def _time_of(row: list[object]) -> int:
    ts = row[0]
    if not isinstance(ts, int):
        raise TypeError("the first column of a planted row is its time")
    return ts


def _entry(draw: Random, phished: _Phished, *, start_ts: int, first_session: str, session: str) -> list[list[object]]:
    """Wrong guesses, then the phished password and code; a factor of the intruder's own; and in again with that."""
    ts, rows = start_ts, []
    for reason in draw.choices(("wrong_password", "wrong_code", "push_denied"), k=draw.randint(4, 9)):
        factor = {"wrong_password": "password", "wrong_code": "totp", "push_denied": "push"}[reason]
        rows.append(phished.row(ts, event="login", result="failure", reason=reason, factor=factor))
        ts += draw.randint(9_000, 55_000)
    for event, factor, used in (
        ("login", "totp", first_session),
        ("factor_enrolled", draw.choice(("totp", "webauthn")), first_session),
        ("login", "totp", session),
    ):
        rows.append(phished.row(ts, event=event, result="success", factor=factor, session=used))
        ts += draw.randint(40_000, 240_000)
    return rows


def _reading(
    draw: Random, phished: _Phished, *, start_ts: int, session: str, customer: str, key_path: str
) -> list[list[object]]:
    """Looks around, opens the one customer and fetches the key, in either order; never payments, never passwords."""
    one = [f"/customers/{customer}"] * draw.randint(1, 2)
    key = ["/releases/android", key_path]
    paths = ["/dashboard", *(one + key if draw.random() < 0.5 else key + one), "/dashboard"]
    ts, rows = start_ts, []
    for path in paths:
        ts += draw.randint(20_000, 420_000)
        rows.append(phished.row(ts, event="request", session=session, method="GET", path=path, status=200))
    return rows
