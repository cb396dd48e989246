"""AWS access keys: made inactive through IAM, done when the owner has made a new one, active again by undo.

From the IAM API reference (``ListAccessKeys``, ``UpdateAccessKey``, ``GetAccessKeyLastUsed``, ``GetUser``, ``TagUser``,
``UntagUser``, ``ListUserTags``, ``GenerateCredentialReport``, ``GetCredentialReport``). A new key is never made here: its
secret would have to be handed over, and the one who owns the key makes it without anybody seeing it.

Before a key is made inactive its id is written into a tag of its owner, so that undo makes active what we made inactive
and nothing that was inactive before.
"""

import base64
import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tocsin.containment.ports import Abilities, Holding, Order, Outcome, ReadBack, Remark, Standing
from tocsin.containment.values import DoneBy, DoneFact, DoneKind, MeasureKind
from tocsin.integrations.aws_keys import iam
from tocsin.integrations.aws_keys.signature import Credentials
from tocsin.integrations.http_calls.calls import Line, wire_of
from tocsin.integrations.http_calls.moments import from_iso, onward
from tocsin.integrations.http_calls.order_by_order import NotAllowed, OrderByOrder, absent, held_already, taken
from tocsin.integrations.http_calls.pacing import Pace
from tocsin.integrations.http_calls.settings import HTTP_SETTINGS, Settings
from tocsin.kernel.language import gettext as _, gettext_noop

SETTINGS: Mapping[str, str] = {
    "endpoint": gettext_noop("address of IAM, for other partitions; https://iam.amazonaws.com if left out"),
    "region": gettext_noop("region IAM is signed for; us-east-1 if left out"),
    **HTTP_SETTINGS,
}
SECRETS: Mapping[str, str] = {
    "access_key_id": gettext_noop("access key of an identity with the policy of the guide"),
    "secret_access_key": gettext_noop("its secret"),
    "session_token": gettext_noop("token, when the credentials are temporary"),
}

CALLS_PER_SECOND_DEFAULT = 5.0
TAG = "tocsin:made-inactive"  # key ids, separated by blanks
_KEY_ID = re.compile(r"(AKIA|ABIA|ACCA)[A-Z0-9]{12,124}")
_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:user/(?:[\x21-\x7e]+/)?([\w+=,.@-]{1,64})")
_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_ROTATE = frozenset({MeasureKind.ROTATE_KEY})


def connect(name: str, *, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> "AwsKeys":
    """Return the connector; SystemNotUnderstood says which setting is wrong."""
    given = Settings(name, settings=settings, secrets=secrets, known=SETTINGS, known_secrets=SECRETS)
    token = given.secret("session_token") if given.has_secret("session_token") else ""
    credentials = Credentials(given.secret("access_key_id"), given.secret("secret_access_key"), token)
    paces = {
        kind: Pace(
            per_second=CALLS_PER_SECOND_DEFAULT,
            source=_("careful: AWS documents no figure for IAM"),
            ceiling=given.number("per_second", default=None, least=0.01),
        )
        for kind in ("write", "read")
    }
    base = given.address("endpoint", default="https://iam.amazonaws.com")
    signer = iam.Signer(credentials, region=given.text("region", default="us-east-1"))
    return AwsKeys(name, wire=wire_of(given, base=base, paces=paces), authorise=signer)


class AwsKeys(OrderByOrder):
    """The IAM identities of one AWS account, called by name or ARN, or single keys, called by their id."""

    calls_per_order = 2

    def abilities(self) -> Abilities:
        """Return what IAM can and cannot do."""
        return Abilities(
            takes=_ROTATE,
            undoes=_ROTATE,
            reads_back=_ROTATE,
            warnings=(
                _(
                    "Whatever runs with a deactivated key stops; its owner makes the new key, nobody else sees its secret."
                ),
                _("Temporary credentials made from a key before live up to 36 hours: revoke those sessions in IAM."),
                _("Keys of the root account and of other AWS accounts cannot be reached."),
            ),
        )

    async def take(self, line: Line, order: Order) -> Outcome:
        """Make inactive what is active and older than the containment time."""
        try:
            name, keys = await self._keys(line, order)
            old = [key for key in keys if key.is_active and _is_old(key, order)]
            if not old:
                return held_already(order)
            noted = await _noted(line, name)
            wanted = {key.id for key in old} | noted
            if wanted != noted:
                tag = {"Tags.member.1.Key": TAG, "Tags.member.1.Value": " ".join(sorted(wanted))}
                await iam.change(line, "TagUser", UserName=name, **tag)
            for key in old:
                await iam.change(line, "UpdateAccessKey", UserName=name, AccessKeyId=key.id, Status="Inactive")
        except iam.NoSuchEntity:
            return absent(order)
        return taken(order)

    async def look(self, line: Line, order: Order) -> ReadBack:
        """Read back: in force without an old active key, done with a new one besides."""
        try:
            name, keys = await self._keys(line, order)
            if any(key.is_active and _is_old(key, order) for key in keys):
                return ReadBack(order, Holding.NOT_IN_FORCE)
            everything = keys if name == order.account else await iam.keys_of(line, name)
        except iam.NoSuchEntity:
            return ReadBack(order, Holding.ABSENT)
        made = [key.created_at for key in everything if key.is_active and key.created_at and not _is_old(key, order)]
        return ReadBack(order, Holding.DONE, done_at=min(made)) if made else ReadBack(order, Holding.IN_FORCE)

    async def lift(self, line: Line, order: Order) -> Outcome:
        """Make active again what we made inactive, and nothing else."""
        try:
            name, keys = await self._keys(line, order)
            noted = await _noted(line, name)
            ours = [key for key in keys if key.id in noted]
            for key in ours:
                if not key.is_active:
                    await iam.change(line, "UpdateAccessKey", UserName=name, AccessKeyId=key.id, Status="Active")
            left = noted - {key.id for key in ours}
            if ours and left:
                tag = {"Tags.member.1.Key": TAG, "Tags.member.1.Value": " ".join(sorted(left))}
                await iam.change(line, "TagUser", UserName=name, **tag)
            elif ours:
                await iam.change(line, "UntagUser", UserName=name, **{"TagKeys.member.1": TAG})
        except iam.NoSuchEntity:
            return absent(order)
        return taken(order) if ours else held_already(order)

    async def facts_since(self, line: Line, cursor: str) -> tuple[Sequence[DoneFact], str]:
        """Return who has an active key made since ``cursor`` (an ISO 8601 time), from the credential report.

        AWS makes a new report at most every four hours: CloudTrail's ``CreateAccessKey`` tells sooner.
        """
        begun_at = from_iso(cursor)
        made = await iam.ask(line, "GenerateCredentialReport")
        if iam.text(made, "State") != "COMPLETE":
            return (), cursor
        report = await iam.ask(line, "GetCredentialReport")
        facts = []
        for row in csv.DictReader(io.StringIO(base64.b64decode(iam.text(report, "Content")).decode())):
            for number in (1, 2):
                made_at = from_iso(row.get(f"access_key_{number}_last_rotated"))
                is_active = str(row.get(f"access_key_{number}_active")).lower() == "true"
                if is_active and made_at is not None and (begun_at is None or made_at > begun_at):
                    facts.append(self._fact(row["user"], made_at))
        return facts, onward(cursor, [fact.done_at for fact in facts])

    async def examine(self, line: Line) -> Sequence[Remark]:
        """Look whether keys, tags and the report can be seen."""
        found = []
        for action, right, wrong in (
            ("ListAccessKeys", _("keys can be read"), _("keys cannot be read")),
            ("ListUserTags", _("tags can be read"), _("tags cannot be read")),
        ):
            try:
                await iam.ask(line, action, UserName="tocsin-nobody")
            except iam.NoSuchEntity:
                found.append(Remark(Standing.OK, right))
            except NotAllowed:
                found.append(Remark(Standing.FAULT, wrong, mend=_("Attach the policy of the guide.")))
        return found

    def _fact(self, account: str, made_at: datetime) -> DoneFact:
        reference = f"{account}:{made_at.isoformat()}"
        return DoneFact(account, DoneKind.KEY_ROTATED, made_at, DoneBy.CONNECTOR, self.name, reference=reference)

    async def _keys(self, line: Line, order: Order) -> tuple[str, list[iam.AccessKey]]:
        """Return the owner's name and the keys that are meant; NoSuchEntity for what this AWS account does not have."""
        if _KEY_ID.fullmatch(order.account):
            name = iam.text(await iam.ask(line, "GetAccessKeyLastUsed", AccessKeyId=order.account), "UserName")
            if not name:
                raise iam.NoSuchEntity
            return name, [key for key in await iam.keys_of(line, name) if key.id == order.account]
        named = _ARN.fullmatch(order.account)
        if named is not None:
            told = await iam.ask(line, "GetUser", UserName=named[1])
            if iam.text(told, "Arn") != order.account:  # the same name in another AWS account
                raise iam.NoSuchEntity
        elif not _NAME.fullmatch(order.account):
            raise iam.NoSuchEntity
        name = named[1] if named else order.account
        return name, await iam.keys_of(line, name)


async def _noted(line: Line, name: str) -> set[str]:
    told = await iam.ask(line, "ListUserTags", UserName=name)
    rows = [each for each in told.iter() if each.tag == "member"]
    return {key for row in rows if iam.text(row, "Key") == TAG for key in iam.text(row, "Value").split()}


def _is_old(key: iam.AccessKey, order: Order) -> bool:
    return key.created_at is None or key.created_at <= order.since_at
