"""The table of codes: every code that is documented has its class, and one nobody knows doubles and loses nothing."""

import pytest

from tocsin.integrations.whatsapp.error_table import CODES, UNKNOWN_REFUSED
from tocsin.integrations.whatsapp.errors import Refusal, judged, transport_error, verdict_of
from tocsin.messaging.values import Reason, Verdict

V = Verdict
# Meta's page support/error-codes and ours of how each is met.
CLASSES = {
    V.RETRY: [2, 131016, 133004, 131057, 139102, 139103, 2494100],
    V.RETRY_FEW: [1, 131000, 131053],
    V.SLOW_LINE: [4, 613, 80007, 130429],
    V.SLOW_PAIR: [131056],
    V.HOLD_LINE: [131048, 131045, 133010, 131037, 33, 133000, 133005, 133006, 133008, 133009, 133015, 133016],
    V.HOLD_ACCOUNT: [131064, 368, 131031, 190, 0, 3, 10, 200, 219, 230, 294, 299, 131005, 131042, 131044],
    V.HOLD_TEMPLATE: [131063, 132001, 132007, 132015, 132016, 132068, 132069, 134102],
    V.LATER: [131049, 134101],
    V.WINDOW_SHUT: [131047],
    V.STOPPED: [131050],
    V.DEAD: [130497, 131026, 131030, 131021, 130403, 130472, 131052, 131062, 137000],
    V.OUR_MISTAKE: [
        *(131051, 131055, 134100, 100, 131008, 131009, 135000, 132018, 132000, 132008, 132012, 132005, 139100, 139101, 139200),
        *(131020, 131041, 131201, 131215, 138000, 138006, 139000, 139004),
        *(2388039, 2388040, 2388047, 2388072, 2388073, 2388293, 2388299, 2388019, 2388330, 2388318, 2388012, 2388091, 2388093, 2388103, 2200),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("code", "verdict"), [(code, verdict) for verdict, codes in CLASSES.items() for code in codes])
def test_every_documented_code_has_its_class(code, verdict):
    assert judged(code, http=400).verdict is verdict


def test_the_table_has_no_code_besides():
    assert set(CODES) <= {code for codes in CLASSES.values() for code in codes}


def test_every_code_another_client_knows_is_known_here():
    errors = pytest.importorskip("pywa.errors", reason="pywa is not installed")
    # What is refused there concerns names, sign-up forms and pages of groups, never a message.
    apart = (errors.UsernameError, errors.SignupError, errors.GroupInvalidCursor)
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and not issubclass(each, apart)]
    codes = {code for kind in kinds for code in getattr(kind, "__error_codes__", None) or ()}
    assert len(codes) > 80
    assert {code for code in codes if judged(code, http=400) is UNKNOWN_REFUSED} == set()


@pytest.mark.parametrize("http", [0, 200, 302, 400, 401, 403, 404, 429, 500, 503])
def test_an_unknown_code_neither_doubles_nor_loses(http):
    error = transport_error(Refusal(code=7_654_321, http=http))
    if http == 0:
        assert (error.verdict, error.permanent) == (V.DEAD, True)  # a status: it is over
    elif http >= 500 or http < 400:
        assert (error.verdict, error.reason, error.permanent) == (V.UNKNOWN, Reason.NO_ANSWER, False)
    else:
        assert error.verdict in {V.RETRY_FEW, V.SLOW_LINE} and not error.permanent


def test_marketing_to_the_united_states_is_over_at_once():
    assert verdict_of(131049, to="+33612345678") == (V.LATER, Reason.REFUSED_BY_POLICY, 86_400.0)
    assert verdict_of(131049, to="+12025550123")[0] is V.DEAD


def test_a_wrong_number_id_holds_the_line_instead_of_failing_every_message():
    assert judged(100, subcode=33, http=400).verdict is V.HOLD_LINE


def test_waits_are_those_that_are_documented():
    assert [judged(code).wait_seconds for code in (131057, 131049, 134101, 133015)] == [60.0, 86_400.0, 600.0, 300.0]
