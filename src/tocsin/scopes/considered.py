"""Who looked suspicious and was cleared: each with a reason computed from the logs, never invented.

A candidate for whom no explanation holds is not listed: it was not cleared.
"""

from collections.abc import Iterator
from typing import Any

from tocsin.detections.values import Reason
from tocsin.events.queries import EventStore
from tocsin.kernel.language import gettext_noop
from tocsin.scopes.cohorts import NETWORK_LEAD_MS
from tocsin.scopes.intruder import COLLEAGUES_MIN
from tocsin.scopes.roles import HOME_DAYS_MIN, STAFF
from tocsin.scopes.values import Considered

EACH_MAX = 5  # of one explanation
FAILURES_MIN = 10  # failed sign-ins from one address that make it worth a look
OFFICE_ACCOUNTS_MIN = 5
OFFICE_SUCCESS_SHARE_MIN = 0.8
CRAWLER_REQUESTS_MIN = 200
ROAMING_NETWORKS_MIN = 3
STEADY_HOURS_MIN = 6
STEADY_SPREAD_MAX = 0.3  # standard deviation of the hourly counts over their mean
STAFF_OWNERS_MIN = 10

_FREE_ADDRESS = (
    "src_endpoint_ip NOT IN (SELECT src_endpoint_ip FROM intruder_events WHERE src_endpoint_ip IS NOT NULL) "
    "AND src_endpoint_ip NOT IN (SELECT suspect FROM detected WHERE suspect_type = 'address') "
    "AND coalesce(src_network, '') NOT IN (SELECT suspect FROM detected WHERE suspect_type = 'network')"
)


def cleared(store: EventStore) -> tuple[Considered, ...]:
    """Return everybody considered and excluded; needs ``touches`` and ``intruder_events``."""
    return (
        *_tried(store),
        *_refused(store),
        *_own_places(store),
        *_at_home(store),
        *_long_before(store),
        *_offices(store),
        *_forgetful(store),
        *_crawlers(store),
        *_steady_keys(store),
        *_support(store),
        *_roaming(store),
    )


def _reason(text: str, row: dict[str, Any], *names: str) -> Reason:
    return Reason(text, {name: row[name] for name in names})


def _tried(store: EventStore) -> Iterator[Considered]:
    row = store.one(
        f"""
        SELECT count(DISTINCT account) AS accounts FROM evidence JOIN detected USING (n)
        WHERE role IN ('instrument', 'victim') AND account IS NOT NULL AND NOT {STAFF}
            AND account NOT IN (SELECT account FROM role_touches)
        """
    )
    if row["accounts"]:
        text = gettext_noop(
            "{accounts} {accounts:account was|accounts were} tried; no event shows the intruder inside any of them"
        )
        yield Considered("accounts", "", _reason(text, row, "accounts"))


def _refused(store: EventStore) -> Iterator[Considered]:
    row = store.one(
        """
        SELECT count(*) AS requests, count(DISTINCT (object_type, object_id)) AS objects FROM intruder_events
        WHERE status_id = 2 AND object_id IS NOT NULL
            AND (object_type, object_id) NOT IN (SELECT (object_type, object_id) FROM intruder_events
                WHERE status_id = 1 AND object_id IS NOT NULL)
        """
    )
    if row["objects"]:
        text = gettext_noop(
            "{objects} {objects:object was|objects were} asked for {requests} {requests:time|times} "
            "and refused every time"
        )
        yield Considered("objects", "", _reason(text, row, "objects", "requests"))


def _own_places(store: EventStore) -> Iterator[Considered]:
    """Detections on one person alone whose successes all came from where that person had been before."""
    rows = store.rows(
        f"SELECT suspect_type, suspect, min(who) AS account FROM mistaken JOIN detected USING (n) GROUP BY ALL "
        f"ORDER BY ALL LIMIT {EACH_MAX}"
    )
    text = gettext_noop("every success was {account} itself, where it, or its colleagues, had worked before")
    for row in rows:
        yield Considered(row["suspect_type"], row["suspect"], _reason(text, row, "account"))


def _at_home(store: EventStore) -> Iterator[Considered]:
    """Successes from the intruder's network in its window, by accounts that were there on earlier days too."""
    rows = store.rows(
        f"""
        SELECT n, uid, suspect_type, suspect, count(*) AS accounts, min(days) AS days
        FROM network_touches JOIN detected USING (n)
        WHERE days >= {HOME_DAYS_MIN} AND account NOT IN (SELECT account FROM role_touches)
        GROUP BY ALL ORDER BY accounts DESC, uid LIMIT {EACH_MAX}
        """
    )
    text = gettext_noop(
        "{accounts} {accounts:account was|accounts were} active on the network of {suspect} during the attack, "
        "and on {days} or more earlier "
        "days as well: it is their own network"
    )
    for row in rows:
        yield Considered("accounts", row["suspect"], _reason(text, row, "accounts", "suspect", "days"))


def _long_before(store: EventStore) -> Iterator[Considered]:
    rows = store.rows(
        f"""
        SELECT src_network AS network, count(DISTINCT account) AS accounts,
            round((min(attack_ts) - max(ts)) / 3600000)::BIGINT AS hours
        FROM events JOIN (
            SELECT src_network, min(first_ts) AS attack_ts FROM intruder_networks JOIN detected USING (n)
            WHERE src_network IS NOT NULL GROUP BY src_network
        ) attacked USING (src_network)
        WHERE ts < attack_ts - {NETWORK_LEAD_MS} AND status_id = 1 AND account IS NOT NULL AND NOT {STAFF}
            AND account NOT IN (SELECT account FROM touches)
        GROUP BY src_network ORDER BY accounts DESC, network LIMIT {EACH_MAX}
        """
    )
    text = gettext_noop(
        "{accounts} {accounts:account was|accounts were} last seen on the network {network} {hours} hours or more "
        "before the attack began"
    )
    for row in rows:
        yield Considered("accounts", row["network"], _reason(text, row, "accounts", "network", "hours"))


def _offices(store: EventStore) -> Iterator[Considered]:
    rows = store.rows(
        f"""
        SELECT src_endpoint_ip AS address, count(*) FILTER (status_id = 2) AS failures,
            count(*) FILTER (status_id = 1) AS successes, count(DISTINCT account) FILTER (status_id = 1) AS accounts
        FROM events WHERE class_uid = 3002 AND activity_id = 1 AND src_endpoint_ip IS NOT NULL AND {_FREE_ADDRESS}
        GROUP BY src_endpoint_ip
        HAVING failures >= {FAILURES_MIN} AND accounts >= {OFFICE_ACCOUNTS_MIN}
            AND successes >= {OFFICE_SUCCESS_SHARE_MIN} * (successes + failures)
        ORDER BY failures DESC, address LIMIT {EACH_MAX}
        """
    )
    text = gettext_noop(
        "{failures} failed sign-ins, but {successes} successful ones by {accounts} "
        "{accounts:account|accounts}: a network people share"
    )
    for row in rows:
        yield Considered("address", row["address"], _reason(text, row, "failures", "successes", "accounts"))


def _forgetful(store: EventStore) -> Iterator[Considered]:
    """Many failures for one account from one address, then a success on a device that was the account's before."""
    rows = store.rows(
        f"""
        WITH failing AS (
            SELECT src_endpoint_ip AS address, count(*) AS failures, min(account) AS account, min(ts) AS first_ts
            FROM events WHERE class_uid = 3002 AND activity_id = 1 AND status_id = 2 AND src_endpoint_ip IS NOT NULL
                AND {_FREE_ADDRESS}
            GROUP BY src_endpoint_ip HAVING count(*) >= {FAILURES_MIN} AND count(DISTINCT account) = 1
                AND count(account) = count(*)
        )
        SELECT address, any_value(f.failures) AS failures, any_value(f.account) AS account
        FROM failing f JOIN events e ON e.account = f.account AND e.status_id = 1 AND e.class_uid = 3002
        WHERE e.account NOT IN (SELECT account FROM touches)
        GROUP BY address
        HAVING bool_or(e.src_endpoint_ip = f.address AND e.ts < f.first_ts)
            AND bool_or(e.src_endpoint_ip = f.address AND e.ts > f.first_ts)
        ORDER BY failures DESC, address LIMIT {EACH_MAX}
        """
    )
    text = gettext_noop(
        "{failures} failed sign-ins, all for {account}, which had signed in from this address before and did so after"
    )
    for row in rows:
        yield Considered("address", row["address"], _reason(text, row, "failures", "account"))


def _crawlers(store: EventStore) -> Iterator[Considered]:
    rows = store.rows(
        f"""
        SELECT src_endpoint_ip AS address, count(*) AS requests, any_value(user_agent) AS agent
        FROM events WHERE src_kind = 'bot' AND account IS NULL AND src_endpoint_ip IS NOT NULL AND {_FREE_ADDRESS}
        GROUP BY src_endpoint_ip HAVING requests >= {CRAWLER_REQUESTS_MIN} AND count(DISTINCT user_agent) = 1
        ORDER BY requests DESC, address LIMIT {EACH_MAX}
        """
    )
    text = gettext_noop("{requests} requests without signing in, from an address published as a crawler's")
    for row in rows:
        yield Considered("address", row["address"], _reason(text, row, "requests"))


def _steady_keys(store: EventStore) -> Iterator[Considered]:
    """A key that asks for many things, but always from one network and as often in every hour of the logs."""
    rows = store.rows(
        f"""
        WITH hourly AS (
            SELECT actor_credential_uid AS key, ts // 3600000 AS hour, count(*) AS requests,
                min(src_network) AS first_network, max(src_network) AS last_network
            FROM events WHERE actor_credential_uid IS NOT NULL
                AND actor_credential_uid NOT IN (SELECT suspect FROM detected WHERE suspect_type = 'api_key')
            GROUP BY ALL
        )
        SELECT key, sum(requests)::BIGINT AS requests, count(*) AS hours, round(median(requests))::BIGINT AS per_hour,
            any_value(first_network) AS network
        FROM hourly WHERE hour NOT IN (SELECT unnest([min(ts), max(ts)]) // 3600000 FROM events)
        GROUP BY key
        HAVING hours >= {STEADY_HOURS_MIN} AND hours = max(hour) - min(hour) + 1 AND per_hour >= {FAILURES_MIN}
            AND stddev_pop(requests) <= {STEADY_SPREAD_MAX} * avg(requests)
            AND min(first_network) = max(last_network)
        ORDER BY requests DESC, key LIMIT {EACH_MAX}
        """
    )
    text = gettext_noop(
        "{requests} requests, about {per_hour} in each of {hours} hours without a break, all from the network {network}"
    )
    for row in rows:
        yield Considered("api_key", row["key"], _reason(text, row, "requests", "per_hour", "hours", "network"))


def _support(store: EventStore) -> Iterator[Considered]:
    """Staff who opened many customers' records, from a network their colleagues work from."""
    rows = store.rows(
        f"""
        WITH opened AS (
            SELECT coalesce(actor_user_uid, account) AS person, src_network,
                count(DISTINCT coalesce(object_owner, target_account)) AS owners
            FROM events WHERE actor_type = 'staff' AND status_id = 1
                AND coalesce(object_owner, target_account) IS NOT NULL AND src_network IS NOT NULL
            GROUP BY ALL
        ), people AS (
            SELECT person, any_value(src_network) AS network, sum(owners)::BIGINT AS owners FROM opened
            GROUP BY person HAVING count(*) = 1 AND sum(owners) >= {STAFF_OWNERS_MIN}
        ), colleagues AS (
            SELECT src_network AS network, count(DISTINCT coalesce(actor_user_uid, account)) - 1 AS colleagues
            FROM events WHERE actor_type = 'staff' AND status_id = 1 GROUP BY src_network
        )
        SELECT person, owners, network, colleagues FROM people JOIN colleagues USING (network)
        WHERE colleagues >= {COLLEAGUES_MIN}
            AND person NOT IN (SELECT coalesce(actor_user_uid, account) FROM intruder_events
                WHERE coalesce(actor_user_uid, account) IS NOT NULL)
            AND person NOT IN (SELECT suspect FROM detected)
        ORDER BY owners DESC, person LIMIT {EACH_MAX}
        """
    )
    text = gettext_noop(
        "opened the records of {owners} {owners:customer|customers}, all from the network "
        "{network}, where {colleagues} {colleagues:colleague works|colleagues work} "
        "too"
    )
    for row in rows:
        yield Considered("principal", row["person"], _reason(text, row, "owners", "network", "colleagues"))


def _roaming(store: EventStore) -> Iterator[Considered]:
    """Sessions that changed network, as a stolen one does, but on one device and in one country."""
    rows = store.rows(
        f"""
        SELECT actor_session_uid AS session, any_value(account) AS account, count(DISTINCT src_network) AS networks,
            any_value(src_country) AS country
        FROM events WHERE actor_session_uid IS NOT NULL AND device_uid IS NOT NULL AND src_network IS NOT NULL
        GROUP BY actor_session_uid
        HAVING min(src_network) <> max(src_network) AND networks >= {ROAMING_NETWORKS_MIN}
            AND min(device_uid) = max(device_uid) AND min(src_country) = max(src_country)
            AND count(src_country) = count(*) AND count(DISTINCT account) = 1
            AND session NOT IN (SELECT actor_session_uid FROM intruder_events WHERE actor_session_uid IS NOT NULL)
            AND session NOT IN (SELECT suspect FROM detected)
        ORDER BY networks DESC, session LIMIT {EACH_MAX}
        """
    )
    text = gettext_noop("its session moved over {networks} networks, on one device and in one country ({country})")
    for row in rows:
        yield Considered("account", row["account"], _reason(text, row, "networks", "country"))
