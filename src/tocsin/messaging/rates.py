"""Rates of a provider: what a message of a category costs in a market, from a day on, perhaps less after so many."""

import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from django.db import connection, transaction

from tocsin.journal import commands as journal
from tocsin.journal.values import Author
from tocsin.kernel.language import gettext as _
from tocsin.messaging.errors import RatesNotUnderstood
from tocsin.messaging.pricing import normal_category

COLUMNS = ("valid_from", "currency", "market", "category", "messages_from", "price")
_MICROS = 1_000_000
_PRICE_MAX = 1_000
_KEEP = """
INSERT INTO tocsin_messagerate (valid_from_on, currency, market, category, messages_from, micros)
SELECT * FROM unnest(%s::date[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[])
ON CONFLICT (valid_from_on, currency, market, category, messages_from) DO UPDATE SET micros = excluded.micros
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """One line of a rate file; ``messages_from`` is the number in its month of the first message it is for."""

    valid_from_on: date
    currency: str
    market: str
    category: str
    messages_from: int
    micros: int

    @property
    def key(self) -> tuple[object, ...]:
        """Return what there may be one line for."""
        return self.valid_from_on, self.currency, self.market, self.category, self.messages_from


def import_rates(path: Path, *, markets: Collection[str] = (), by: Author) -> int:
    """Take in a CSV file of rates and return how many lines it has; a line that is there already is replaced.

    Columns: valid_from (ISO date), currency (ISO 4217), market, category, messages_from (0 for all), price. Nothing is
    taken in when one line is wrong; RatesNotUnderstood says which. ``markets`` are the names there are; any if empty.
    """
    rates = list(read_rates(path, markets=markets))
    rows = [[*each.key, each.micros] for each in rates]
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_KEEP, [list(column) for column in zip(*rows, strict=True)])
        facts = {
            "rates": len(rates), "currencies": sorted({each.currency for each in rates}),
            "valid_from": sorted({each.valid_from_on.isoformat() for each in rates}),
        }  # fmt: skip
        journal.write(verb="messaging.rates_imported", subject="message_rates", by=by, facts=facts)
    return len(rates)


def read_rates(path: Path, *, markets: Collection[str] = ()) -> Iterator[Rate]:
    """Yield the lines of a rate file; RatesNotUnderstood names the first one that is wrong."""
    known = {market.lower(): market for market in markets}
    seen: set[tuple[object, ...]] = set()
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise _wrong(path, 1, _("columns are missing: {names}").format(names=", ".join(missing)))
        for line in reader:
            rate = _rate({key: (value or "").strip() for key, value in line.items() if key}, path, reader.line_num)
            if known and rate.market.lower() not in known:
                raise _wrong(path, reader.line_num, _("{market} is no market").format(market=rate.market))
            if rate.key in seen:
                raise _wrong(path, reader.line_num, _("the same rate stands above"))
            seen.add(rate.key)
            yield rate
    if not seen:
        raise _wrong(path, 1, _("it has no rates"))


def _rate(line: dict[str, str], path: Path, number: int) -> Rate:
    try:
        day = date.fromisoformat(line["valid_from"])
        price = Decimal(line["price"])
        messages_from = int(line["messages_from"] or 0)
    except (ValueError, InvalidOperation) as error:
        raise _wrong(path, number, _("a date, a number or a price cannot be read")) from error
    micros = price * _MICROS
    if not price.is_finite() or not 0 <= price <= _PRICE_MAX or micros != int(micros):
        raise _wrong(path, number, _("a price lies between 0 and 1,000 and has at most six decimals"))
    currency, market, category = line["currency"].upper(), line["market"], normal_category(line["category"])
    if len(currency) != 3 or not currency.isalpha() or not market or not category or messages_from < 0:
        raise _wrong(path, number, _("currency, market, category or messages_from is missing or wrong"))
    return Rate(day, currency, market, category, messages_from, int(micros))


def _wrong(path: Path, number: int, what: str) -> RatesNotUnderstood:
    return RatesNotUnderstood(what, where=f"{path}:{number}", mend=_("Mend the line; nothing was taken in."))


def rates(*, on: date | None = None) -> tuple[Rate, ...]:
    """Return the rates there are, or those in force on a day, by currency, market, category and tier."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT valid_from_on, currency, market, category, messages_from, micros FROM tocsin_messagerate r
             WHERE %(on)s::date IS NULL OR valid_from_on = (
                SELECT max(valid_from_on) FROM tocsin_messagerate o
                 WHERE o.currency = r.currency AND o.market = r.market AND o.category = r.category
                   AND o.valid_from_on <= %(on)s::date)
             ORDER BY currency, market, category, valid_from_on, messages_from
            """,
            {"on": on},
        )
        return tuple(Rate(*row) for row in cursor.fetchall())
