"""What answers about an SMS mean, whoever gives them; and the statuses of HTTP that say it without a code."""

from collections.abc import Mapping

from tocsin.messaging.values import Reason, Verdict

Meaning = tuple[Verdict, Reason]
GONE: Meaning = (Verdict.DEAD, Reason.NOT_REACHABLE)
POLICY: Meaning = (Verdict.DEAD, Reason.REFUSED_BY_POLICY)
OURS: Meaning = (Verdict.OUR_MISTAKE, Reason.OUR_MISTAKE)
LINE: Meaning = (Verdict.HOLD_LINE, Reason.OUR_MISTAKE)
ACCOUNT: Meaning = (Verdict.HOLD_ACCOUNT, Reason.OUR_MISTAKE)
SLOW: Meaning = (Verdict.SLOW_LINE, Reason.RATE_LIMITED)
AGAIN: Meaning = (Verdict.RETRY, Reason.TRY_LATER)
BY_STATUS: Mapping[int, Meaning] = {401: ACCOUNT, 403: ACCOUNT, 404: LINE, 407: LINE, 429: SLOW, 503: AGAIN}
