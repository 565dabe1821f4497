"""All code that takes text from strangers, by name. Add a line for each new entrance."""

import asyncio
import base64
import json
import logging
import string
from contextlib import suppress
from io import BytesIO
from itertools import count
from types import SimpleNamespace
from urllib.parse import quote

import uvicorn
from django.core.handlers.asgi import ASGIRequest
from django.http import QueryDict
from django.test import Client as Browser

from accounts.models import User
from ridehail.censor import MAX_TEXT_LENGTH
from ridehail.logs import JSONWithoutSecrets, LimitClientLines, WithoutSecrets
from ridehail.proxies import scope_limit_key
from tracking.access.tokens import verify
from tracking.contrib.uvicorn.http import HttpProtocol
from tracking.contrib.uvicorn.websocket import WebSocketProtocol
from tracking.models.device import Device
from tracking.phones import osmand, owntracks, readings
from tracking.protocol import (
    TrackingError,
    decode_driver_message,
    decode_watcher_message,
    parse_driver_id,
)

# In characters: the longest head that the server takes, a body long enough to show how the work
# grows, and the longest text that is logged.
HEAD = 16 * 1024
BODY = 64 * 1024
LOG = MAX_TEXT_LENGTH
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

_numbers = count(1)


def visit(method, path, data=None, content_type=FORM, **headers):
    """Make a request from a new address, so that no limit applies."""
    number = next(_numbers)
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    browser = Browser(REMOTE_ADDR=address, raise_request_exception=True)
    extra = {f"HTTP_{name.upper()}": header(value) for name, value in headers.items()}
    if "HTTP_CONTENT_TYPE" in extra:
        content_type = extra.pop("HTTP_CONTENT_TYPE")
    body = b"" if data is None else data.encode()
    return browser.generic(method, path, body, content_type, **extra)


def header(text):
    """Return the value that an ASGI server passes on for this text in a header."""
    return text.encode().decode("latin-1").replace("\r", "").replace("\n", "")


def query(text):
    """Return the text as a query string, without the characters that no request line can have."""
    return quote(text, safe=string.punctuation).replace("#", "")


def json_of(name):
    return lambda text: json.dumps({name: text, "password": "x"}, ensure_ascii=False)


def form_of(name):
    return lambda text: f"{name}={text}&password=x"


def as_it_is(text):
    return text


def body(path, made_of, content_type=FORM, method="POST"):
    return lambda text: visit(method, path, made_of(text), content_type)


def in_header(name, path="/accounts/login/"):
    return lambda text: visit("GET", path, **{name: text})


def in_query(path):
    return lambda text: visit("GET", path + query(text))


def basic(text):
    visit("POST", "/driver/report/owntracks/", "{}", JSON, authorization=f"Basic {text}")


def basic_pair(text):
    encoded = base64.b64encode(text.encode()).decode()
    visit("POST", "/driver/report/owntracks/", "{}", JSON, authorization=f"Basic {encoded}")


def many_headers(text):
    """Return a header for every other character, all of one name."""
    headers = [(b"x", character.encode()) for character in text[::2]]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers}
    assert ASGIRequest(scope, BytesIO()).method == "GET"


def refused(function, *arguments):
    """Call a function that may refuse its argument."""
    with suppress(TrackingError):
        function(*arguments)


def forwarded_for(text):
    headers = [(b"x-forwarded-for", text.encode())]
    scope_limit_key({"client": ["127.0.0.1", 1], "headers": headers})


def osmand_body(text):
    readings.report(osmand.parse(QueryDict(), text.encode()).messages)


def osmand_values(text):
    parameters = dict.fromkeys(("id", "lat", "lon", "timestamp", "speed", "valid"), text)
    refused(osmand.parse_parameters, parameters)


def owntracks_body(text):
    readings.report([lambda: owntracks.parse(text.encode())])


def message(command):
    return lambda text: json.dumps(
        {"type": "authenticate", "payload": {"token": text, "command": command, "lat": text}},
        ensure_ascii=False,
    )


def log_of(formatter, name, level, message="%s"):
    def log(text):
        for limited in (False, True):
            record = logging.LogRecord(name, level, "", 0, message, (text,), None)
            record.agent = text
            if limited:
                LimitClientLines().filter(record)
            formatter.format(record)

    return log


class Transport(asyncio.Transport):
    """Accepts what a protocol writes, and closes on request."""

    def __init__(self):
        super().__init__()
        self.closing = False
        self.protocol = None

    def get_extra_info(self, name, default=None):
        if name == "socket":
            # AF_UNIX, which has no options to set.
            return SimpleNamespace(family=1, getsockname=str, getpeername=str)
        return default

    def get_protocol(self):
        return self.protocol

    def set_protocol(self, protocol):
        self.protocol = protocol

    def set_write_buffer_limits(self, high=None, low=None):
        pass

    def write(self, data):
        pass

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass

    def is_closing(self):
        return self.closing

    def close(self):
        self.closing = True

    abort = close


async def _answer(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


_config = uvicorn.Config(_answer, http=HttpProtocol, ws=WebSocketProtocol, log_config=None)


def on_the_wire(begin, end=b""):
    """Feed the text to the server's own protocol, in pieces of the size that uvloop reads."""

    async def read(text):
        if not _config.loaded:
            _config.load()
        server = uvicorn.server.ServerState()
        protocol = HttpProtocol(config=_config, server_state=server, app_state={})
        transport = Transport()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        data = begin + text.encode() + end
        for start in range(0, len(data), BODY):
            transport.get_protocol().data_received(data[start : start + BODY])
        for _ in range(10):
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        for task in server.tasks:
            task.cancel()

    return lambda text: asyncio.run(read(text))


_PLAIN = WithoutSecrets("%(asctime)s %(levelname)s %(name)s: %(message)s")
_LINE = b"GET / HTTP/1.1\r\n"

# By name: a function that takes a text, and the greatest length of the text.
ENTRANCES = {
    # Log-ins and their tokens.
    "log-in, e-mail address": (body("/accounts/token/", json_of("email"), JSON), BODY),
    "log-in, password": (body("/accounts/token/", json_of("x"), JSON), BODY),
    "log-in, JSON": (body("/accounts/token/", as_it_is, JSON), BODY),
    "token refresh": (body("/accounts/token/refresh/", json_of("refresh"), JSON), BODY),
    "log-out": (body("/accounts/token/logout/", json_of("refresh"), JSON), BODY),
    "session token": (body("/accounts/token/session/", as_it_is, JSON), BODY),
    "log-in page": (body("/accounts/login/", form_of("username")), BODY),
    "log-in page, form": (body("/accounts/login/", as_it_is), BODY),
    "log-in page, multipart": (
        body("/accounts/login/", as_it_is, "multipart/form-data; boundary=a"),
        BODY,
    ),
    "log-in page, next": (in_query("/accounts/login/?next="), HEAD),
    "log-in page, posted next": (body("/accounts/login/", form_of("next")), BODY),
    "admin's log-in page": (body("/admin/login/", form_of("username")), BODY),
    "admin's next": (in_query("/admin/login/?next="), HEAD),
    "log-out page": (body("/accounts/logout/", form_of("next")), BODY),
    "look-up of a user": (User.normalize_username, BODY),
    "token": (lambda text: refused(verify, text), BODY),
    "parts of a token": (lambda text: refused(verify, f"eyJhbGciOiJIUzI1NiJ9.{text}.c2"), BODY),
    "device token": (Device.objects.authenticate, BODY),
    # Heads.
    "bearer token": (
        lambda text: visit("GET", "/driver/19/location/", authorization=f"Bearer {text}"),
        HEAD,
    ),
    "Basic credentials": (basic, HEAD),
    "name and password": (basic_pair, HEAD // 2),
    "Authorization": (in_header("authorization", "/driver/19/location/"), HEAD),
    "query string": (in_query("/accounts/login/?"), HEAD),
    "search": (in_query("/driver/search/?q="), HEAD),
    "bounding box": (in_query("/driver/locations/?bbox="), HEAD),
    "path": (in_query("/"), HEAD),
    "path of a driver": (in_query("/driver/"), HEAD),
    "X-Forwarded-For": (in_header("x_forwarded_for"), HEAD),
    "X-Forwarded-For of a socket": (forwarded_for, HEAD),
    "Host": (in_header("host"), HEAD),
    "cookies": (in_header("cookie"), HEAD),
    "session cookie": (lambda text: visit("GET", "/admin/", cookie=f"sessionid={text}"), HEAD),
    "CSRF cookie": (
        lambda text: visit("POST", "/accounts/login/", "", cookie=f"csrftoken={text}"),
        HEAD,
    ),
    "messages cookie": (lambda text: visit("GET", "/", cookie=f"messages={text}"), HEAD),
    "User-Agent": (in_header("user_agent"), HEAD),
    "Accept": (in_header("accept", "/driver/19/location/"), HEAD),
    "Accept-Language": (in_header("accept_language"), HEAD),
    "Content-Type": (in_header("content_type"), HEAD),
    "Content-Type of a call": (
        lambda text: visit("POST", "/accounts/token/", "{}", content_type=header(f"a/b; {text}")),
        HEAD,
    ),
    "Origin": (in_header("origin", "/accounts/token/"), HEAD),
    "Referer": (in_header("referer"), HEAD),
    "many headers": (many_headers, HEAD),
    # Phones and sockets.
    "OwnTracks": (owntracks_body, BODY),
    "Traccar Client": (osmand_body, BODY),
    "Traccar Client, posted": (body("/driver/report/osmand/", as_it_is), BODY),
    "Traccar Client, token": (in_query("/driver/report/osmand/?id="), HEAD),
    "Traccar Client, values": (osmand_values, BODY),
    "userId": (lambda text: refused(parse_driver_id, f"userId={text}".encode()), HEAD),
    "query string of a socket": (lambda text: refused(parse_driver_id, text.encode()), HEAD),
    "driver's message": (lambda text: refused(decode_driver_message, text), BODY),
    "driver's token": (lambda text: refused(decode_driver_message, message("send")(text)), BODY),
    "watcher's message": (lambda text: refused(decode_watcher_message, text), BODY),
    "watcher's token": (
        lambda text: refused(decode_watcher_message, message("start")(text)),
        BODY,
    ),
    # Texts that are read before the client is known.
    "head": (on_the_wire(b""), HEAD),
    "header": (on_the_wire(_LINE + b"x: ", b"\r\n\r\n"), HEAD),
    "requests at once": (on_the_wire(_LINE * 10_000), BODY),
    "body": (on_the_wire(b"POST / HTTP/1.1\r\nContent-Length: 65536\r\n\r\n"), BODY),
    "chunks": (on_the_wire(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), BODY),
    # Texts that are logged.
    "log": (log_of(JSONWithoutSecrets(), "django.request", logging.WARNING), LOG),
    "log for people": (log_of(_PLAIN, "django.request", logging.WARNING), LOG),
    "log of an agent": (log_of(_PLAIN, "axes", logging.WARNING), LOG),
}
