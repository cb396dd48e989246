"""The ASGI application without a server: routes, limits, and what goes wrong turned into answers."""

import asyncio
import json
import logging
from http import HTTPStatus
from typing import Any

import pytest

from tocsin.api import done
from tocsin.api.app import Api
from tocsin.api.exchange import Answer, Problem, Request, Room
from tocsin.api.routes import Route
from tocsin.kernel.errors import TocsinError


async def said(request: Request) -> Answer:
    return Answer.of_json(
        {"path": request.path_values, "query": request.query, "body": (await request.body(bytes_max=10)).decode()}
    )


async def refuses(_request: Request) -> Answer:
    raise TocsinError("this is not so", mend="mend it")


async def breaks(_request: Request) -> Answer:
    raise ValueError(f"account {WHO}")


async def streams(_request: Request) -> Answer:
    async def pieces():
        yield b"one"
        yield b"two"

    return Answer(headers={"content-type": "text/plain"}, pieces=pieces())


WHO = "victim@example.com"
ROUTES = (
    Route("POST", "/said/{name}", said),
    Route("GET", "/said/{name}", said),
    Route("GET", "/refuses", refuses),
    Route("GET", "/breaks", breaks),
    Route("GET", "/streams", streams),
)


def ask(
    method: str, path: str, *, query: bytes = b"", bodies: list[bytes] | None = None, headers: list[tuple[bytes, bytes]] | None = None
) -> tuple[int, dict[str, str], bytes]:  # fmt: skip
    sent: list[dict[str, Any]] = []
    parts = bodies or [b""]
    waiting = [{"type": "http.request", "body": part, "more_body": n < len(parts) - 1} for n, part in enumerate(parts)]

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def run() -> None:
        api = Api(ROUTES)
        scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": headers or []}
        await api(scope, receive, send)
        api.close()

    asyncio.run(run())
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], {k.decode(): v.decode() for k, v in sent[0]["headers"]}, body


def test_a_route_gives_its_named_parts_and_the_query():
    status, headers, body = ask("POST", "/said/a", query=b"x=1&x=2&y=", bodies=[b"12", b"34"])
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body) == {"path": {"name": "a"}, "query": {"x": "2", "y": ""}, "body": "1234"}


@pytest.mark.parametrize("path", ["/said", "/said/", "/said/a/b", "/", "", "/Said/a"])
def test_what_no_route_names_is_not_found(path: str):
    assert ask("GET", path)[0] == 404


def test_another_method_says_which_there_are():
    status, headers, _body = ask("DELETE", "/said/a")
    assert (status, headers["allow"]) == (405, "GET, POST")


def test_a_body_above_its_limit_is_not_taken_in():
    assert ask("POST", "/said/a", bodies=[b"x" * 8, b"x" * 8])[0] == 413
    assert ask("POST", "/said/a", headers=[(b"content-length", b"11")])[0] == 413
    assert ask("POST", "/said/a", headers=[(b"content-length", b"-1")])[0] == 413


def test_too_many_or_too_long_headers_and_paths_are_refused():
    assert ask("GET", "/refuses", headers=[(b"x", b"y")] * 65)[0] == 431
    assert ask("GET", "/refuses", headers=[(b"x", b"y" * 17_000)])[0] == 431
    assert ask("GET", "/said/" + "x" * 510)[0] == 414


def test_an_error_a_person_can_mend_is_told_and_any_other_is_not(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        status, headers, body = ask("GET", "/refuses")
        assert (status, headers["content-type"]) == (409, "application/problem+json")
        assert json.loads(body)["detail"] == "this is not so"
        status, _headers, body = ask("GET", "/breaks")
    assert status == 500 and b"victim" not in body and "victim" not in caplog.text
    assert "ValueError" in caplog.text and "breaks" in caplog.text


def test_pieces_are_sent_one_after_the_other_and_head_sends_none():
    assert ask("GET", "/streams")[2] == b"onetwo"
    status, headers, body = ask("HEAD", "/streams")
    assert (status, headers["content-type"], body) == (200, "text/plain", b"")


def test_the_token_is_compared_whole_and_only_as_bearer():
    def holds(header: str) -> bool:
        scope = {"method": "GET", "path": "/", "headers": [(b"Authorization", header.encode())]}
        return Request(scope, lambda: None, threads=None, stopping=None, wired=None).bearer_is("t0ken")

    assert holds("Bearer t0ken") and holds("bearer  t0ken")
    assert not any(
        holds(each)
        for each in ("", "Bearer", "Bearer ", "Bearer t0ke", "Bearer t0kenn", "Basic t0ken", "t0ken", "Bearer é")
    )


def test_a_problem_says_type_title_status_and_what_a_client_may_go_by():
    answer = Problem(HTTPStatus.NOT_FOUND, "None yet.", code="nothing_published").answer()
    assert json.loads(answer.body) == {
        "type": "about:blank", "title": "Not Found", "status": 404, "detail": "None yet.", "code": "nothing_published",
    }  # fmt: skip


def test_bodies_of_all_requests_together_are_bounded_and_room_is_given_back():
    room = Room(15)

    def request() -> Request:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"12345678", "more_body": False}

        scope = {"method": "POST", "path": "/", "headers": [(b"content-length", b"8")]}
        return Request(scope, receive, threads=None, stopping=None, room=room)

    async def run() -> None:
        first, second = request(), request()
        assert await first.body(bytes_max=10) == b"12345678"
        with pytest.raises(Problem) as refused:
            await second.body(bytes_max=10)
        assert refused.value.status == HTTPStatus.SERVICE_UNAVAILABLE
        first.leave()
        assert await second.body(bytes_max=10) == b"12345678"
        second.leave()
        assert room.free == 15

    asyncio.run(run())


def test_an_unsigned_report_is_refused_before_its_body_is_read():
    async def nobody() -> dict[str, Any]:
        raise AssertionError("the body was read")

    scope = {"method": "POST", "path": "/connectors/v1/shop/done", "headers": [(b"webhook-id", b"1")]}
    request = Request(scope, nobody, threads=None, stopping=None)
    with pytest.raises(Problem) as refused:
        asyncio.run(done.done(request))
    assert refused.value.status == HTTPStatus.UNAUTHORIZED
