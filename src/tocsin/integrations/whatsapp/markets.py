"""The markets of Meta's rate cards, by the calling code of the recipient (Meta, pricing, "Country calling codes").

The longest code that a number begins with decides, as it does at Meta, whatever country the number is really in: +7 is
Russia in Kazakhstan too. Three countries of the North American plan belong to Latin America.
"""

from collections.abc import Mapping
from functools import lru_cache

import phonenumbers

from tocsin.customers.values import AddressKind

OTHER = "Other"
_CODES: Mapping[str, str] = {
    "Argentina": "54", "Brazil": "55", "Chile": "56", "Colombia": "57", "Egypt": "20", "France": "33",
    "Germany": "49", "India": "91", "Indonesia": "62", "Israel": "972", "Italy": "39", "Malaysia": "60",
    "Mexico": "52", "Netherlands": "31", "Nigeria": "234", "Pakistan": "92", "Peru": "51", "Russia": "7",
    "Saudi Arabia": "966", "South Africa": "27", "Spain": "34", "Turkey": "90", "United Arab Emirates": "971",
    "United Kingdom": "44",
    "North America": "1",
    "Rest of Africa":
        "211 212 213 216 218 220 221 222 223 225 226 227 228 229 231 232 233 235 237 241 242 244 245 249 250 251 252 "
        "254 255 256 257 258 260 261 264 265 266 267 268 291",
    "Rest of Asia Pacific":
        "61 63 64 66 675 81 84 852 855 856 86 880 886 93 94 976 977 992 993 998 65",
    "Rest of Central & Eastern Europe":
        "30 355 359 36 370 371 373 374 375 380 381 385 386 389 40 420 421 48 994 995",
    "Rest of Latin America":
        "1658 1787 1809 1829 1849 1876 1939 502 503 504 505 506 507 509 58 591 593 595 598",
    "Rest of Middle East": "961 962 964 965 967 968 973 974",
    "Rest of Western Europe": "32 351 353 358 41 43 45 46 47",
}  # fmt: skip
MARKETS = (*_CODES, OTHER)
_MARKET_OF = {code: market for market, codes in _CODES.items() for code in codes.split()}
_LONGEST = max(len(code) for code in _MARKET_OF)
# Their calling code is +1, but not their market.
_LATIN = frozenset({"DO", "JM", "PR"})


def market_of(addresses: Mapping[AddressKind, str]) -> str:
    """Return the market of a person, by telephone number, else by the country a business-scoped id begins with."""
    phone = addresses.get(AddressKind.PHONE)
    if phone:
        return _of_digits(phone.removeprefix("+")[:_LONGEST])
    scoped = addresses.get(AddressKind.WHATSAPP)
    return _of_country(scoped[:2]) if scoped else ""


@lru_cache(maxsize=4096)
def _of_digits(digits: str) -> str:
    found = (_MARKET_OF.get(digits[:length]) for length in range(len(digits), 0, -1))
    return next((market for market in found if market), OTHER)


@lru_cache(maxsize=512)
def _of_country(country: str) -> str:
    if country in _LATIN:
        return "Rest of Latin America"
    code = phonenumbers.country_code_for_region(country)
    return _of_digits(str(code)) if code else OTHER
