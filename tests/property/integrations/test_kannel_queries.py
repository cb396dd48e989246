"""Whatever is asked of the address Kannel tells us at: it is never taken without its token, and nothing breaks."""

from urllib.parse import urlencode
from uuid import UUID

from hypothesis import given, strategies as st

from tocsin.integrations.sms.kannel.receiving import RECEIVING
from tocsin.integrations.sms.kannel.spelling import report_token
from tocsin.integrations.sms.segments import PlainLetters, plain, segments
from tocsin.messaging.values import Aside, InboundUpdate, Objection, StatusUpdate

SECRET = "hush-5d2f"
NAMES = st.sampled_from(
    ["id", "token", "type", "at", "smsc", "theirs", "said", "from", "to", "text", "charset", "coding", "message", "x"]
)
WORDS = st.one_of(
    st.text(max_size=30), st.integers().map(str), st.uuids().map(str), st.just("+33612345678"), st.just("NACK/0x0b")
)
QUERIES = st.one_of(
    st.binary(max_size=200), st.dictionaries(NAMES, WORDS, max_size=10).map(lambda told: urlencode(told).encode())
)


@given(QUERIES)
def test_any_query_is_read_and_none_is_taken_without_its_token(query: bytes):
    assert not RECEIVING.verified({}, query, secrets=[SECRET, ""], address="")
    for update in RECEIVING.updates(query, headers={}):
        assert isinstance(update, StatusUpdate | InboundUpdate | Objection | Aside)


@given(st.uuids(), st.uuids(), st.dictionaries(NAMES, WORDS, max_size=6))
def test_a_token_is_good_for_its_message_and_no_other(ours: UUID, others: UUID, told: dict[str, str]):
    token = report_token(SECRET, str(ours))
    good = urlencode({**told, "id": str(ours), "token": token}).encode()
    assert RECEIVING.verified({}, good, secrets=["other", SECRET], address="")
    if others != ours:
        wrong = urlencode({**told, "id": str(others), "token": token}).encode()
        assert not RECEIVING.verified({}, wrong, secrets=[SECRET], address="")


@given(st.text(max_size=400), st.sampled_from(PlainLetters))
def test_plain_letters_make_no_text_dearer_and_are_plain_already_the_second_time(text: str, letters: PlainLetters):
    changed = plain(text, letters=letters)
    assert segments(changed).count <= max(1, segments(text).count)
    assert plain(changed, letters=letters) == changed
