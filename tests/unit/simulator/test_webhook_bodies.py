"""What a webhook looks like: batches, signature, sizes."""

import asyncio

import orjson

from tocsin_simulator.clock import Clock
from tocsin_simulator.faults import Faults
from tocsin_simulator.values import Settings
from tocsin_simulator.webhooks import MAX_BYTES, Webhooks, signature


def test_the_signature_is_hmac_sha256_of_the_raw_bytes():
    # By `openssl dgst -sha256 -hmac secret`.
    assert signature("secret", b'{"a":1}') == "sha256=aa9e2e3575f5d7098b6caccd790888c36d5fdb63342a73bada2d6a51747a8494"


async def filled(batch: int, *, size: int = 10, count: int = 30) -> list[tuple[int, int, set[str]]]:
    """Return (updates, bytes, ids) of each webhook that ``count`` updates make."""
    webhooks = Webhooks(Settings(batch=batch), Clock(), Faults(seed=1))
    for place in range(count):
        head = b'{"field":"messages","value":{"metadata":{"phone_number_id":"%d"}' % (place // 10)
        webhooks.queue_status(
            head=head, contact=b"", status=orjson.dumps({"id": str(place), "pad": "x" * size}), url="http://a"
        )
    posts = []
    while webhooks.waiting:
        post = webhooks._filled()
        ids = {
            status["id"]
            for entry in orjson.loads(post.body)["entry"]
            for change in entry["changes"]
            for status in change["value"]["statuses"]
        }
        posts.append((post.updates, len(post.body), ids))
    return posts


def test_a_batch_holds_at_most_as_many_updates_as_told_and_loses_none():
    posts = asyncio.run(filled(7))
    assert [updates for updates, _, _ in posts] == [7, 7, 7, 7, 2]
    assert set().union(*(ids for _, _, ids in posts)) == {str(place) for place in range(30)}


def test_a_batch_never_exceeds_a_thousand_updates_or_three_megabytes():
    posts = asyncio.run(filled(5000, size=400_000))
    assert all(size <= MAX_BYTES for _, size, _ in posts)
    assert sum(updates for updates, _, _ in posts) == 30
    assert max(updates for updates, _, _ in asyncio.run(filled(5000, count=2500))) == 1000
