"""AWS access keys, against moto's IAM: its keys, signatures and policies are somebody else's work."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from fakes.asking import ROTATE, order
from fakes.serving import Fake
from peer_aws_keys import running
from yarl import URL

from tocsin.containment.errors import SystemNotUnderstood, SystemUnreachable
from tocsin.containment.ports import Answer, Holding, Standing
from tocsin.containment.values import DoneKind
from tocsin.integrations.aws_keys.connector import TAG, connect
from tocsin.integrations.aws_keys.signature import Credentials, signed_headers

moto = pytest.importorskip("moto.core")
boto_auth = pytest.importorskip("botocore.auth")
boto_request = pytest.importorskip("botocore.awsrequest")
boto_credentials = pytest.importorskip("botocore.credentials")
PAGE = Path(__file__).resolve().parents[3] / "docs" / "howto" / "connect-aws.md"
EXAMPLE = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    with running(tmp_path_factory.mktemp("aws")) as peer:
        yield peer


def signature(url, *, method="GET", headers=None, body=b"", service="service"):
    told = signed_headers(
        EXAMPLE,
        method=method,
        url=URL(url, encoded=True),
        headers=headers or {},
        body=body,
        region="us-east-1",
        service=service,
        at=datetime(2015, 8, 30, 12, 36, tzinfo=UTC),
    )
    return told["Authorization"].rpartition("Signature=")[2]


@pytest.mark.parametrize(
    ("name", "call", "expected"),
    [  # AWS's published test suite (aws-sig-v4-test-suite), and the IAM example of the signing guide
        ("get-vanilla", {"url": "https://example.amazonaws.com/"}, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("post-vanilla", {"url": "https://example.amazonaws.com/", "method": "POST"}, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ("get-vanilla-query-order-key-case", {"url": "https://example.amazonaws.com/?Param2=value2&Param1=value1"}, "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        ("post-x-www-form-urlencoded", {"url": "https://example.amazonaws.com/", "method": "POST", "headers": {"Content-Type": "application/x-www-form-urlencoded"}, "body": b"Param1=value1"}, "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
        ("iam-list-users", {"url": "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", "service": "iam", "headers": {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}}, "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"),
    ],
)  # fmt: skip
def test_signatures_are_those_of_the_published_suite(name, call, expected):
    assert signature(**call) == expected


@pytest.mark.parametrize("token", ["", "a-session-token"])
def test_signatures_are_those_of_another_implementation(token):
    body, url, kind = (
        b"Action=ListAccessKeys&UserName=a%2Bb%40c&Version=2010-05-08",
        "https://iam.amazonaws.com/",
        "application/x-www-form-urlencoded; charset=utf-8",
    )
    request = boto_request.AWSRequest("POST", url, headers={"Content-Type": kind}, data=body)
    boto_auth.SigV4Auth(
        boto_credentials.Credentials(EXAMPLE.access_key_id, EXAMPLE.secret_access_key, token or None),
        "iam",
        "us-east-1",
    ).add_auth(request)
    at = datetime.strptime(request.context["timestamp"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    ours = signed_headers(
        Credentials(EXAMPLE.access_key_id, EXAMPLE.secret_access_key, token), method="POST", url=URL(url),
        headers={"Content-Type": kind}, body=body, region="us-east-1", service="iam", at=at,
    )  # fmt: skip
    assert ours["Authorization"] == request.headers["Authorization"]


def test_old_keys_stop_and_the_owner_is_done_with_a_new_one(aws):
    name, neighbour = aws.accounts(2)
    second = aws.key(name, age=timedelta(hours=2))
    connected = aws.connector()
    assert [each.answer for each in connected.apply([order(name, ROTATE)])] == [Answer.TAKEN]
    assert {key.status for key in aws.backend.users[name].access_keys} == {"Inactive"}
    assert {key.status for key in aws.backend.users[neighbour].access_keys} == {"Active"}
    read = connected.verify([order(name, ROTATE), order(neighbour, ROTATE)])
    assert {each.order.account: each.holding for each in read} == {
        name: Holding.IN_FORCE,
        neighbour: Holding.NOT_IN_FORCE,
    }
    aws.backend.delete_access_key(second, name)  # two keys are all IAM allows: the owner makes room
    aws.key(name)
    (done,) = connected.verify([order(name, ROTATE)])
    assert (done.holding, done.done_at is not None) == (Holding.DONE, True)
    assert [each.answer for each in connected.apply([order(name, ROTATE)])] == [Answer.HELD_ALREADY]


def test_undo_makes_active_what_we_made_inactive_and_nothing_that_was_so_before(aws):
    (name,) = aws.accounts(1)
    mine = aws.backend.users[name].access_keys[0].access_key_id
    retired = aws.key(name, age=timedelta(days=3), is_active=False)
    connected = aws.connector()
    list(connected.apply([order(name, ROTATE)]))
    assert [each.answer for each in connected.undo([order(name, ROTATE)])] == [Answer.TAKEN]
    assert {key.access_key_id: key.status for key in aws.backend.users[name].access_keys} == {
        mine: "Active",
        retired: "Inactive",
    }
    assert TAG not in str(aws.backend.list_user_tags(name))
    assert [each.answer for each in connected.undo([order(name, ROTATE)])] == [Answer.HELD_ALREADY]


def test_one_key_may_be_meant_and_the_other_is_left_alone(aws):
    (name,) = aws.accounts(1)
    meant = aws.backend.users[name].access_keys[0].access_key_id
    other = aws.key(name, age=timedelta(days=2))
    connected = aws.connector()
    assert [each.answer for each in connected.apply([order(meant, ROTATE)])] == [Answer.TAKEN]
    assert {key.access_key_id: key.status for key in aws.backend.users[name].access_keys} == {
        meant: "Inactive",
        other: "Active",
    }
    assert [each.holding for each in connected.verify([order(meant, ROTATE)])] == [Holding.IN_FORCE]


def test_an_arn_means_that_account_only(aws):
    (name,) = aws.accounts(1)
    arn = aws.backend.users[name].arn
    elsewhere = arn.replace("123456789012", "999999999999")
    outcomes = {
        each.order.account: each.answer
        for each in aws.connector().apply([order(arn, ROTATE), order(elsewhere, ROTATE)])
    }
    assert outcomes == {arn: Answer.TAKEN, elsewhere: Answer.ABSENT}


def test_the_credential_report_tells_who_made_a_new_key(aws):
    (name,) = aws.accounts(1)
    connected = aws.connector()
    since = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    _none, _cursor = connected.done_since(since)
    aws.backend.credential_report = None  # AWS would make a new one after hours
    aws.key(name)
    facts = []
    for _ask in range(4):
        found, _cursor = connected.done_since(since)
        facts += found
    assert name in {fact.account for fact in facts}
    assert {fact.kind for fact in facts} == {DoneKind.KEY_ROTATED}


@moto.set_initial_no_auth_action_count(0)
def test_the_policy_of_the_guide_suffices_and_nothing_less_does(aws):
    """moto checks the signature of every call and evaluates the policies of whoever signed it."""
    policy = re.search(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]
    policy = policy.replace("arn:aws:iam::*:user/*", "*")  # moto asks every IAM action of the resource "*"
    aws.backend.put_user_policy("tocsin", "tocsin", policy)
    (name,) = aws.accounts(1)
    one = aws.backend.users[name].access_keys[0].access_key_id
    connected = aws.connector()
    assert {remark.standing for remark in connected.check()} == {Standing.OK}
    for account in (name, one, aws.backend.users[name].arn):
        assert next(iter(connected.apply([order(account, ROTATE)]))).answer in {Answer.TAKEN, Answer.HELD_ALREADY}
    assert [each.holding for each in connected.verify([order(name, ROTATE)])] == [Holding.IN_FORCE]
    assert [each.answer for each in connected.undo([order(name, ROTATE)])] == [Answer.TAKEN]
    connected.done_since("")
    for action in ("iam:TagUser", "iam:UpdateAccessKey"):
        told = json.loads(policy)
        told["Statement"][0]["Action"].remove(action)
        aws.backend.put_user_policy("tocsin", "tocsin", json.dumps(told))
        (less,) = aws.accounts(1)
        outcome = next(iter(connected.apply([order(less, ROTATE)])))
        assert (outcome.answer, "AccessDenied" in outcome.reason) == (Answer.REFUSED, True)
        assert {key.status for key in aws.backend.users[less].access_keys} == {"Active"}
    wrong = connect(
        "aws", settings={"endpoint": aws.url}, secrets={**aws.secret, "secret_access_key": "not-the-secret"}
    )
    with pytest.raises(SystemUnreachable, match="credentials") as raised:
        list(wrong.apply([order(name, ROTATE)]))
    assert "not-the-secret" not in str(raised.value)


def test_the_time_is_predicted_from_a_careful_figure():
    limits = connect("aws", settings={}, secrets={"access_key_id": "a", "secret_access_key": "b"}).limits()
    assert 1_000 * limits.calls_per_order / limits.per_second / 60 == pytest.approx(6.7, abs=0.1)


def test_a_missing_secret_is_said_with_its_place():
    with pytest.raises(SystemNotUnderstood, match="setting secret_access_key"):
        connect("aws", settings={}, secrets={"access_key_id": "a"})


class Road(Fake):
    """The road to IAM: it carries what comes as it is, and can be told to lose, hold back and refuse."""

    def __init__(self, iam):
        super().__init__()
        self.iam = iam

    def routes(self):
        return [web.post("/", self.carry)]

    def throttled(self, trouble):
        """Return IAM's own refusal: 400 with a code (IAM API reference, "Common errors")."""
        told = '<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>'
        return web.Response(status=400, text=told, content_type="text/xml")

    async def carry(self, request):
        body = await request.read()
        self.calls[-1] = (request.method, body.decode())
        trouble = self._next_trouble(body.decode())
        if trouble and trouble.kind == "lost_before":
            request.transport.abort()
            return web.Response()
        if trouble and trouble.kind == "throttled":
            return self.throttled(trouble)
        headers = {name: text for name, text in request.headers.items() if name.lower() != "content-length"}
        async with aiohttp.ClientSession() as session, session.post(self.iam, data=body, headers=headers) as answer:
            response = web.Response(status=answer.status, body=await answer.read(), content_type="text/xml")
        if trouble and trouble.kind == "lost_after":
            request.transport.abort()
        return response


@pytest.fixture
def road(aws):
    with Road(aws.url) as fake:
        yield fake


def over(road, aws):
    connected = connect("aws-main", settings={"endpoint": road.url}, secrets=aws.secret)
    for pace in connected._wire.paces.values():
        pace._allowed = 2_000.0
    return connected


@pytest.mark.parametrize("after_doing_it", [True, False])
@pytest.mark.parametrize("action", ["TagUser", "UpdateAccessKey"])
def test_a_lost_answer_is_unknown_and_read_back(aws, road, after_doing_it, action):
    (name,) = aws.accounts(1)
    road.lose(after_doing_it=after_doing_it, match=f"Action={action}")
    assert [each.answer for each in over(road, aws).apply([order(name, ROTATE)])] == [Answer.UNKNOWN]
    is_done = after_doing_it and action == "UpdateAccessKey"
    expected = Holding.IN_FORCE if is_done else Holding.NOT_IN_FORCE
    assert [each.holding for each in over(road, aws).verify([order(name, ROTATE)])] == [expected]
    list(over(road, aws).apply([order(name, ROTATE)]))
    assert [each.holding for each in over(road, aws).verify([order(name, ROTATE)])] == [Holding.IN_FORCE]
    assert [each.answer for each in over(road, aws).undo([order(name, ROTATE)])] == [Answer.TAKEN]
    assert {key.status for key in aws.backend.users[name].access_keys} == {"Active"}


def test_a_storm_of_refusals_ends_with_every_key_made_inactive_once(aws, road, monkeypatch):
    monkeypatch.setattr("tocsin.integrations.aws_keys.iam.AGAIN_SECONDS", 0.0)
    names = aws.accounts(10)
    road.throttle(times=12, match="Action=")
    connected, left, rounds = over(road, aws), list(names), 0
    while left:
        rounds += 1
        outcomes = list(connected.apply([order(name, ROTATE) for name in left]))
        assert {outcome.answer for outcome in outcomes} <= {Answer.TAKEN, Answer.LATER}
        left = [outcome.order.account for outcome in outcomes if outcome.answer is Answer.LATER]
    assert rounds > 1
    done = [body for _method, body in road.calls if "UpdateAccessKey" in body]
    assert {each.answer for each in connected.apply([order(name, ROTATE) for name in names])} == {Answer.HELD_ALREADY}
    assert len(set(done)) == 10
    assert all(key.status == "Inactive" for name in names for key in aws.backend.users[name].access_keys)


@pytest.mark.parametrize("body", ["<!DOCTYPE x [<!ENTITY a 'b'>]><r/>", "no xml", ""])
def test_what_is_no_answer_of_iam_is_not_read(aws, body):
    (name,) = aws.accounts(1)

    async def other(request):
        return web.Response(text=body, content_type="text/xml")

    liar = Road(aws.url)
    liar.carry = other
    with liar:
        assert [each.answer for each in over(liar, aws).apply([order(name, ROTATE)])] == [Answer.LATER]
