"""Everything about an account that is asked and changed, against the simulator."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.integrations.whatsapp.errors import NotAnswered, RefusedByMeta
from tocsin.integrations.whatsapp.media import FileNotUsable
from tocsin.integrations.whatsapp.templates import NoSuchTemplate
from tocsin.kernel.remarks import Standing
from tocsin.messaging.errors import ContentNotUnderstood
from tocsin_simulator import acts

from .test_sending import NOTICE, SENT_NOTICE, TEXT, opened

THEIRS, OTHERS = "+33612345678", "+33612345679"


def plain(name, language="en_US", **changes):
    body = {"type": "BODY", "text": "All is well."}
    return {"name": name, "language": language, "category": "UTILITY", "components": [body]} | changes


def test_templates_beyond_the_first_page_are_synced(simulated):
    async def use(peer):
        # Meta's limit is 100 made in an hour; these were there before.
        for n in range(130):
            if n and n % 90 == 0:
                peer.world.records.created_at.clear()
            await peer.account.templates.create(plain(f"notice_{n}"))
        return await peer.account.templates.every(), await peer.account.templates.room()

    found, (count, most) = simulated(use)
    assert len({each.name for each in found}) == count == 130
    assert most >= 250
    assert {(each.language, each.status, each.category) for each in found} == {("en_US", "APPROVED", "UTILITY")}


def test_a_template_is_made_changed_archived_taken_out_and_deleted_in_one_language(simulated):
    async def use(peer):
        templates, seen = peer.account.templates, []

        async def note():
            seen.append(sorted((each.language, each.status) for each in await templates.every()))

        await templates.create(NOTICE)
        await templates.create({**NOTICE, "language": "fr"})
        [french] = await templates.found("breach_notice", "fr")
        await note()
        assert (await templates.archive([french.provider_id, "404"])).failed == {"404": "Template not found"}
        await note()
        assert (await templates.unarchive([french.provider_id])).done == [french.provider_id]
        await note()
        assert await templates.delete("breach_notice", "en-US") == 1
        await note()
        assert await templates.delete("breach_notice") == 1
        await note()
        with pytest.raises(NoSuchTemplate):
            await templates.found("breach_notice")
        return seen

    both = [("en_US", "APPROVED"), ("fr", "APPROVED")]
    archived = [("en_US", "APPROVED"), ("fr", "ARCHIVED")]
    assert simulated(use) == [both, archived, both, [("fr", "APPROVED")], []]


def test_a_rejected_template_is_changed_and_reviewed_again(simulated):
    async def use(peer):
        made = await peer.account.templates.create(NOTICE)
        peer.world.templates[made.id].status = "REJECTED"
        changed = {**NOTICE, "components": [{"type": "BODY", "text": "Change your password now, please."}]}
        before = await peer.account.templates.edit(changed)
        [after] = await peer.account.templates.found("breach_notice")
        return before, after

    before, after = simulated(use)
    assert (before.status, after.status) == ("REJECTED", "APPROVED")
    assert after.components[0]["text"] == "Change your password now, please."


def test_a_template_metas_rules_refuse_is_refused_before_it_is_asked(simulated):
    async def use(peer):
        bad = {**NOTICE, "components": [{"type": "BODY", "text": "{{1}} hello"}]}
        with pytest.raises(ContentNotUnderstood):
            await peer.account.templates.create(bad)
        await peer.account.templates.create(NOTICE)
        with pytest.raises(RefusedByMeta) as refused:
            await peer.account.templates.create(NOTICE)
        return refused.value

    assert simulated(use).refusal.code


def test_partly_blocked_people_are_told_with_both_lists(simulated):
    async def use(peer):
        opened(peer.world)
        changed = await peer.account.blocked.block([THEIRS, OTHERS])
        listed = await peer.account.blocked.every()
        lifted = await peer.account.blocked.unblock([THEIRS])
        return changed, listed, lifted, await peer.account.blocked.every()

    changed, listed, lifted, none = simulated(use)
    assert (list(changed.done), [(each.address, each.code) for each in changed.failed]) == (
        [THEIRS],
        [(OTHERS, 131047)],
    )
    assert (listed, list(lifted.done), none) == ([THEIRS], [THEIRS], [])


def test_the_profile_is_read_and_changed(simulated):
    async def use(peer):
        await peer.account.profile.write({"about": "Security of Larkwave", "websites": ["https://example.org/"]})
        with pytest.raises(ContentNotUnderstood, match="139"):
            await peer.account.profile.write({"about": "x" * 140})
        return await peer.account.profile.read()

    read = simulated(use)
    assert (read["about"], read["websites"]) == ("Security of Larkwave", ["https://example.org/"])


def test_a_number_tells_quality_pace_limit_and_health(simulated):
    async def use(peer):
        facts = await peer.account.numbers.facts()
        next(iter(peer.world.numbers.values())).status = "DISCONNECTED"
        broken = await peer.account.numbers.facts()
        await peer.account.numbers.register("123456")
        return facts, broken, await peer.account.numbers.every()

    facts, broken, [again] = simulated(use, tier="TIER_2K", level="HIGH")
    assert (facts.quality, facts.per_second, facts.people_per_day) == ("GREEN", 1000.0, 2_000)
    assert facts.number.startswith("+") and facts.number[1:].isdigit()
    assert (facts.can_send, broken.can_send, again.can_send) == ("AVAILABLE", "BLOCKED", "AVAILABLE")
    assert broken.faults


def test_what_meta_counted_is_read(simulated):
    async def use(peer):
        opened(peer.world)
        made = await peer.account.templates.create(NOTICE)
        await peer.send(TEXT)
        await peer.send(SENT_NOTICE)
        peer.world.clock.advance(30.0)
        now = datetime.fromtimestamp(peer.world.clock.now(), UTC)
        start, end = now - timedelta(hours=1), now + timedelta(hours=1)
        await peer.account.analytics.allow_templates()
        return (
            await peer.account.analytics.messages(start, end, step="day"),
            await peer.account.analytics.prices(start, end, step="day"),
            await peer.account.analytics.templates([made.id], start, end),
        )

    messages, prices, templates = simulated(use)
    assert sum(point["sent"] for point in messages) == 2
    assert all({"volume", "cost"} <= set(point) for point in prices)
    assert sum(point["sent"] for point in templates) == 1


def test_onboarding_finds_everything_in_order(simulated):
    async def use(peer):
        await peer.account.templates.create(NOTICE)
        await peer.account.access.subscribe()
        return await peer.account.looked_at()

    looked = simulated(use)
    assert [remark for remark in looked.remarks if remark.standing is not Standing.OK] == []
    assert (looked.number.name, looked.token.kind) == ("Simulated Company", "SYSTEM_USER")


def test_onboarding_says_what_to_mend(simulated):
    async def use(peer):
        number = next(iter(peer.world.numbers.values()))
        number.status, number.quality = "DISCONNECTED", "RED"
        number.extra["name_status"] = "DECLINED"
        made = await peer.account.templates.create(NOTICE)
        peer.world.templates[made.id].status = "ARCHIVED"
        peer.world.subscribed = False
        return await peer.account.looked_at()

    looked = simulated(use, tier="TIER_250")
    wrong = {remark.text: remark for remark in looked.remarks if remark.standing is not Standing.OK}
    assert looked.faulty
    assert all(remark.mend for remark in wrong.values())
    told = " ".join(wrong)
    for words in ("DISCONNECTED", "not approved", "RED", "250", "webhooks", "No template", "Archived"):
        assert words in told, words


def test_onboarding_names_the_numbers_there_are_when_the_id_is_wrong(simulated):
    async def use(peer):
        return await peer.account.looked_at(), next(iter(peer.world.numbers))

    looked, there = simulated(use, channel={"phone_number_id": "5"})
    [fault] = [remark for remark in looked.remarks if remark.standing is Standing.FAULT]
    assert there in fault.mend


def test_a_token_that_is_not_valid_ends_the_look_at_once(simulated):
    async def use(peer):
        peer.world.settings.token = "another"
        return await peer.account.looked_at()

    [fault] = simulated(use).remarks
    assert (fault.standing, bool(fault.mend)) == (Standing.FAULT, True)


def test_webhooks_are_sent_to_an_address_of_the_account(simulated):
    async def use(peer):
        await peer.account.access.unsubscribe()
        before = await peer.account.access.subscriptions()
        await peer.account.access.subscribe()
        return before, await peer.account.access.subscriptions(), peer.world.settings.app_id

    before, after, app = simulated(use)
    assert (before, [each.app for each in after]) == ([], [app])


def test_a_fetched_file_that_is_not_the_announced_one_is_not_kept(simulated, tmp_path):
    sent, back = tmp_path / "a.txt", tmp_path / "b.txt"
    sent.write_text("hello")

    async def use(peer):
        uploaded = await peer.account.media.upload(sent)
        with pytest.raises(FileNotUsable):
            await peer.account.media.fetch(uploaded.id, back, sha256="0" * 64)
        await peer.account.media.delete(uploaded.id)
        with pytest.raises(RefusedByMeta):
            await peer.account.media.fetch(uploaded.id, back)

    simulated(use)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_file_beyond_the_cap_is_cut_off_while_it_streams(simulated, tmp_path, monkeypatch):
    sent = tmp_path / "a.txt"
    sent.write_bytes(b"x" * 200_000)
    monkeypatch.setattr("tocsin.integrations.whatsapp.media.FETCHED_BYTES_MAX", 100_000)

    async def use(peer):
        uploaded = await peer.account.media.upload(sent)
        with pytest.raises(FileNotUsable):
            await peer.account.media.fetch(uploaded.id, tmp_path / "b.txt")

    simulated(use)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_files_whatsapp_does_not_take_are_refused_before_they_leave(simulated, tmp_path):
    for name, content in (("a.exe", b"x"), ("a.png", b"x" * (5 * 1024 * 1024 + 1)), ("a.pdf", b"")):
        (tmp_path / name).write_bytes(content)

        async def use(peer, path=tmp_path / name):
            with pytest.raises(FileNotUsable):
                await peer.account.media.upload(path)

        simulated(use)


def test_a_sample_for_a_templates_header_gets_a_handle(simulated, tmp_path):
    sample = tmp_path / "sample.png"
    sample.write_bytes(b"\x89PNG" + b"x" * 1000)

    async def use(peer):
        token = await peer.account.access.token()
        handle = await peer.account.media.sample(token.app, sample)
        header = {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": [handle]}}
        return await peer.account.templates.create({**NOTICE, "components": [header, *NOTICE["components"][1:]]})

    assert simulated(use).status == "APPROVED"


def test_a_read_is_asked_again_and_nothing_else_is(simulated):
    """A fault of Meta's own may come after it did what was asked."""
    asked = []

    async def use(peer):
        graph = peer.account._graph
        graph._waits = (0.0, 0.0)
        real = graph._exchange

        async def lost(method, address, **given):
            asked.append(method)
            await real(method, address, **given)
            raise NotAnswered("lost")

        graph._exchange = lost
        for call in (peer.account.numbers.facts(), peer.account.templates.create(NOTICE)):
            with pytest.raises(NotAnswered):
                await call
        return len(peer.world.templates)

    assert simulated(use) == 1
    assert asked == ["GET", "GET", "GET", "POST"]


def test_a_person_sees_that_their_message_was_read_and_that_we_write(simulated):
    async def use(peer):
        number = next(iter(peer.world.numbers.values()))
        said = {"type": "text", "text": {"body": "Was it me?"}}
        first, second = (acts.write(peer.world, THEIRS[1:], number, said) for _ in range(2))
        await peer.account.receipts.read(first.id)
        halfway = [each.statuses for each in (first, second)]
        await peer.account.receipts.read(second.id, typing=True)
        with pytest.raises(RefusedByMeta, match="131009"):
            await peer.account.receipts.read("wamid.nobody")
        return halfway, second.statuses, peer.world.ledger

    ([read], []), [again], ledger = simulated(use)
    assert (read[0], again[0]) == ("read", "read")
    assert (ledger.receipts, ledger.typing, ledger.accepted) == (2, 1, 0)
