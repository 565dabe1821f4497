import asyncio
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from standardwebhooks import Webhook

from tracking.webhooks import sender as sender_module
from tracking.webhooks import targets
from tracking.webhooks.sender import Sender
from tracking.webhooks.signing import new_secret

from .receivers import babbles, drips, floods, hangs, hangs_up, receiving, says

BODY = b'{"type":"zone.entered","timestamp":"2026-11-28T05:00:00.000Z","data":{"driver":19}}'
SECRET = new_secret()
ID = "0193723a-0000-7000-8000-000000000001"


@pytest.fixture(autouse=True)
def _private(settings, monkeypatch):
    settings.TRACKING |= {"WEBHOOK_ALLOW_PRIVATE": True}
    monkeypatch.setattr(sender_module, "TIMEOUT", 0.3)
    monkeypatch.setattr(sender_module, "ANSWER_TIMEOUT", 0.1)


@pytest.fixture
async def send():
    sender = Sender()

    async def send(url):
        return await asyncio.wait_for(sender.send(url, [SECRET], ID, BODY), 10)

    yield send
    await sender.close()


async def test_request_is_signed_and_the_body_is_sent_as_it_is(send):
    async with receiving(says(204)) as receiver:
        outcome = await send(receiver.url)
    (request,) = receiver.requests
    assert outcome.is_success
    assert request.body == BODY
    Webhook(SECRET).verify(request.body, request.headers)
    assert request.headers["webhook-id"] == ID
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 5
    assert request.headers["content-type"] == "application/json"
    assert "django-live-tracking" in request.headers["user-agent"]
    assert "cookie" not in request.headers


async def test_cookies_are_not_kept_and_the_connection_is(send):
    ports = set()

    async def answer(request, writer):
        ports.add(writer.get_extra_info("peername")[1])
        await says(200, b"ok", set_cookie="a=b")(request, writer)

    async with receiving(answer) as receiver:
        for _ in range(3):
            assert (await send(receiver.url)).answer == "ok"
    assert len(ports) == 1
    assert not any("cookie" in request.headers for request in receiver.requests)


@pytest.mark.parametrize("status", [300, 301, 302, 307, 308, 400, 404, 410, 429, 500, 503])
async def test_only_2xx_is_success_and_no_redirect_is_followed(send, status):
    async with receiving(says(200)) as target:
        async with receiving(says(status, b"no", location=target.url)) as receiver:
            outcome = await send(receiver.url)
        assert (outcome.status, outcome.answer, outcome.is_success) == (status, "no", False)
        assert outcome.is_gone is (status == 410)
        assert not target.requests


async def test_retry_after_is_read_in_both_forms(send):
    async with receiving(says(429, retry_after="120")) as receiver:
        assert (await send(receiver.url)).retry_after == 120
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    async with receiving(says(503, retry_after=date)) as receiver:
        assert 590 < (await send(receiver.url)).retry_after <= 600
    async with receiving(says(503, retry_after="soon")) as receiver:
        assert (await send(receiver.url)).retry_after is None


async def test_server_that_hangs_fails_in_time(send):
    async with receiving(hangs) as receiver:
        outcome = await send(receiver.url)
    assert outcome.status is None
    assert "no answer within 0.3 seconds" in outcome.answer
    assert 0.3 <= outcome.seconds < 2


async def test_answer_that_drips_or_never_ends_is_cut(send):
    async with receiving(drips) as receiver:
        outcome = await send(receiver.url)
        assert outcome.is_success
        assert set(outcome.answer) == {"x"}
    async with receiving(floods) as receiver:
        outcome = await send(receiver.url)
        assert outcome.is_success
        assert outcome.answer == "y" * 500


async def test_answer_is_kept_without_control_characters(send):
    async with receiving(says(500, b"a\x00b\x1b[31mc\xff\x85 \xf0\x9f\x9a\x97\n")) as receiver:
        assert (await send(receiver.url)).answer == "ab[31mc\ufffd\ufffd \U0001f697\n"


async def test_compressed_answer_is_not_unpacked(send):
    async with receiving(says(200, b"\x1f\x8b\x08\x00junk", content_encoding="gzip")) as receiver:
        assert (await send(receiver.url)).is_success


async def test_answer_that_is_not_http_is_an_error(send):
    async with receiving(babbles) as receiver:
        assert (await send(receiver.url)).answer == "The answer is not HTTP."
    async with receiving(hangs_up) as receiver:
        assert "closed the connection" in (await send(receiver.url)).answer


async def test_errors_never_contain_the_urls_query(send):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for url in (
        f"http://127.0.0.1:{port}/?key=hush",
        "http://nowhere.invalid/?key=hush",
        "ftp://127.0.0.1/?key=hush",
        f"https://127.0.0.1:{port}/?key=hush",
        "http://[/?key=hush",
    ):
        outcome = await send(url)
        assert outcome.status is None
        assert outcome.answer
        assert "hush" not in outcome.answer


async def test_plain_server_at_an_https_url_is_an_error(send):
    async with receiving(says(200)) as receiver:
        outcome = await send(receiver.url.replace("http:", "https:"))
    assert outcome.status is None
    assert outcome.answer


async def test_private_address_is_refused_at_the_connection(send, settings, monkeypatch):
    async with receiving(says(200)) as receiver:
        settings.TRACKING |= {"WEBHOOK_ALLOW_PRIVATE": False}
        monkeypatch.setattr(sender_module, "check_form", lambda url: None)
        outcome = await send(receiver.url)
    assert outcome.answer == "The host's address is not public, so nothing was sent."
    assert not receiver.requests


async def test_name_that_changes_to_a_private_address_is_refused(settings, monkeypatch, send):
    """DNS rebinding: public when it is checked, private when it is connected to."""
    settings.TRACKING |= {"WEBHOOK_ALLOW_PRIVATE": False}
    answers = iter(["93.184.216.34"])
    real = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **options):
        return real(next(answers, "127.0.0.1"), port, *args, **options)

    monkeypatch.setattr(targets.socket, "getaddrinfo", getaddrinfo)
    async with receiving(says(200)) as receiver:
        url = f"https://rebinding.example:{receiver.port}/"
        await asyncio.to_thread(targets.check_url, url)
        outcome = await send(url)
    assert outcome.answer == "The host's address is not public, so nothing was sent."
    assert not receiver.requests
