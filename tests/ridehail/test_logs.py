import base64
import json
import logging
import logging.config
import os
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from ridehail.censor import MAX_TEXT_LENGTH, hide_secrets
from ridehail.logs import (
    MAX_LINE_LENGTH,
    JSONWithoutSecrets,
    LimitClientLines,
    ThrottledFailures,
    WithoutHandshakes,
    WithoutSecrets,
    facts,
    logging_config,
)
from tracking.fix import Fix
from tracking.protocol.messages import Measurement

from .test_settings import PROJECT, settings_with

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6MX0.c2lnbmF0dXJl"
ROW = 'violates check constraint\nDETAIL:  Failing row contains (19, -1.4354, "0.9871").'

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Request:
    """A request as Django adds it to its records, with the query string in its text."""

    def __repr__(self):
        return f"<ASGIRequest: GET '/?token={TOKEN}'>"


def record(message="Hello %s", *args, error=None, **extra):
    exc_info = (type(error), error, None) if error else None
    made = logging.LogRecord(
        "tracking.pipeline.storage", logging.WARNING, "", 1, message, args, exc_info
    )
    made.__dict__.update(extra)
    return made


def test_json_line_is_one_object_with_what_happened_where_and_when():
    line = JSONWithoutSecrets().format(record("Hello %s", "Jonh", code=1012, seconds=3.5))
    event = json.loads(line)
    assert "\n" not in line
    assert event.pop("timestamp").endswith("Z")
    assert event.pop("pid") > 0
    assert event == {
        "event": "Hello Jonh",
        "level": "warning",
        "logger": "tracking.pipeline.storage",
        "code": 1012,
        "seconds": 3.5,
    }


def test_json_line_of_an_error_has_its_traceback():
    event = json.loads(JSONWithoutSecrets().format(record("Oops", error=ValueError("broken"))))
    assert event["event"] == "Oops"
    assert event["exception"] == "ValueError: broken"


def test_plain_line_ends_with_the_facts():
    formatter = WithoutSecrets("%(levelname)s %(name)s: %(message)s")
    line = formatter.format(record("Connection ended", reason="client_left", code=1000))
    assert (
        line == "WARNING tracking.pipeline.storage: Connection ended reason=client_left code=1000"
    )


@pytest.mark.parametrize("formatter", [JSONWithoutSecrets(), WithoutSecrets()])
def test_no_token_and_no_row_is_written_wherever_it_hides(formatter):
    written = formatter.format(
        record("%s", TOKEN, error=ValueError(f"{TOKEN} {ROW}"), extra=TOKEN, request=Request())
    )
    assert "[hidden]" in written
    for secret in (TOKEN, "eyJ", "-1.4354", "0.9871"):
        assert secret not in written


@pytest.mark.parametrize("formatter", [JSONWithoutSecrets(), WithoutSecrets()])
@pytest.mark.parametrize(
    "shown",
    [
        Fix(19, -1.4354, 0.9871, NOON, NOON),
        Measurement(lat="-1.4354", lon=0.9871),
        {"latitude": -1.4354, "longitude": 0.9871},
        '{"location_lat": "-1.4354", "location_lon": "0.9871"}',
        r"{\"lat\": \"-1.4354\", \"lon\": 0.9871}",
        "/driver/phone/?id=1&lat=-1.4354&lon=0.9871&speed=3",
    ],
)
def test_no_location_is_written_whatever_shows_it(formatter, shown):
    written = formatter.format(
        record("%s %r", shown, shown, error=KeyError(shown), facts=repr(shown))
    )
    assert "[hidden]" in written
    assert "1.4354" not in written
    assert "0.9871" not in written


@pytest.mark.parametrize(
    "text", ["lat must be between -90 and 90", "lon: missing", "latitude=None", "latency: 12"]
)
def test_text_without_a_location_is_logged(text):
    assert hide_secrets(text) == text


def test_a_fix_is_logged_without_its_location():
    written = hide_secrets(repr(Fix(19, -1.4354, 0.9871, NOON, NOON, heading=90.5)))
    assert "driver_id=19, latitude=[hidden], longitude=[hidden], recorded_at=" in written
    assert "heading=90.5" in written


def test_json_stays_whole_when_a_row_is_hidden():
    event = json.loads(JSONWithoutSecrets().format(record(ROW)))
    assert event["event"] == "violates check constraint\nDETAIL:  [hidden]"


@pytest.mark.parametrize("log_format", ["json", "plain"])
def test_configuration_is_valid(log_format):
    config = logging_config(log_format)
    configurator = logging.config.DictConfigurator(config)
    formatter = configurator.configure_formatter(config["formatters"][log_format])
    assert "Hello" in formatter.format(record("Hello"))


def failure(error, *, status=500):
    """Return the record that Django logs of a failing page."""
    try:
        raise error
    except type(error):
        exc_info = sys.exc_info()
    level = logging.ERROR if status >= 500 else logging.WARNING
    record = logging.LogRecord("django.request", level, "", 0, "%s: %s", ("Oops", "/"), exc_info)
    record.status_code = status
    return record


def test_each_failure_of_failing_pages_is_logged_once():
    throttle = ThrottledFailures()
    unreachable, bug = OSError("unreachable"), TypeError("a bug")
    assert throttle.filter(failure(unreachable))
    assert not throttle.filter(failure(unreachable))
    assert throttle.filter(failure(bug))
    for _ in range(2):
        assert throttle.filter(failure(PermissionError(), status=403))
    unavailable = failure(unreachable, status=503)
    unavailable.exc_info = None
    assert [throttle.filter(unavailable) for _ in range(2)] == [True, False]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def line_of(name, level, message="%s", *args, **extra):
    made = logging.LogRecord(name, level, "", 0, message, args, None)
    vars(made).update(extra)
    return made


CLIENT_RECORDS = [
    ("tracking.consumers.record", logging.INFO, {"user": None}),
    ("django.request", logging.WARNING, {"status_code": 404}),
    ("django.security.DisallowedHost", logging.ERROR, {"status_code": 400}),
    ("django.security.csrf", logging.WARNING, {"status_code": 403}),
    ("uvicorn.error", logging.WARNING, {}),
    ("uvicorn.access", logging.INFO, {}),
    ("axes.handlers.database", logging.WARNING, {}),
]


@pytest.mark.parametrize(("name", "level", "extra"), CLIENT_RECORDS)
def test_client_lines_are_limited_per_second_and_say_how_many_were_left_out(name, level, extra):
    clock = Clock()
    limit = LimitClientLines(limit=3, clock=clock)
    lines = [line_of(name, level, **extra) for _ in range(10)]
    assert [limit.filter(line) for line in lines] == [True] * 3 + [False] * 7
    clock.now = 1.0
    assert [limit.filter(line) for line in lines] == [True] * 3 + [False] * 7
    assert [facts(line).get("left_out") for line in lines[:3]] == [7, None, None]


@pytest.mark.parametrize(
    ("name", "level", "extra"),
    [
        ("tracking.consumers.record", logging.INFO, {"user": 19}),
        ("django.request", logging.ERROR, {"status_code": 500}),
        ("uvicorn.error", logging.ERROR, {}),
        ("uvicorn.error", logging.INFO, {}),
        ("axes.handlers.proxy", logging.ERROR, {}),
        ("tracking.pipeline.storage", logging.WARNING, {}),
        ("django.requests", logging.WARNING, {}),
    ],
)
def test_server_failures_and_authenticated_clients_are_always_logged(name, level, extra):
    limit = LimitClientLines(limit=3, clock=Clock())
    for other, other_level, other_extra in CLIENT_RECORDS:
        for _ in range(10):
            limit.filter(line_of(other, other_level, **other_extra))
    lines = [line_of(name, level, "x" * 2000, **extra) for _ in range(10)]
    assert [limit.filter(line) for line in lines] == [True] * 10
    assert {len(line.getMessage()) for line in lines} == {2000}


def test_client_line_is_short_and_has_no_traceback():
    limit = LimitClientLines()
    refused = failure(PermissionError(), status=404)
    refused.args = ("Not Found", f"/?token={TOKEN}&{'x' * 20_000}")
    assert limit.filter(refused)
    shown = json.loads(JSONWithoutSecrets().format(refused))
    assert "exception" not in shown
    assert shown["event"].startswith("Not Found: /?token=[hidden]&xxx")
    assert re.search(r"x \[195\d\d more characters\]$", shown["event"])
    assert len(shown["event"]) < MAX_LINE_LENGTH + 50


def test_handshakes_are_not_logged():
    keeps = WithoutHandshakes().filter
    assert not keeps(record('%s - "WebSocket %s" [accepted]', "127.0.0.1", "/?token=1"))
    assert keeps(record("Started server process [%d]", 1))


def test_unknown_log_format_is_refused_at_the_start():
    assert settings_with(LOG_FORMAT="xml").endswith("LOG_FORMAT must be json or plain, not xml.")


LOG = """
import logging, django
django.setup()
logging.getLogger("tracking.access.session").warning("Oops: %r", {"lat": "-1.4354"})
logging.getLogger("django.request").error("%s is broken", "/?token=TOKEN")
logging.getLogger("django.server").info('"GET %s"', "/?lon=0.9871")
""".replace("TOKEN", TOKEN)


def test_developers_see_what_django_logs_without_secrets():
    run = subprocess.run(
        [sys.executable, "-c", LOG],
        env={"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "ridehail.settings"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    first, second, third = run.stderr.splitlines()
    assert first == "Oops: {'lat': '[hidden]'}"
    assert second == "/?token=[hidden] is broken"
    assert re.fullmatch(r'\[.+\] "GET /\?lon=\[hidden\]"?', third)


DEVICE = "trk_" + "abcdefgh" * 4


@pytest.mark.parametrize(
    "spelling",
    [
        DEVICE,
        DEVICE.upper(),
        DEVICE.title(),
        DEVICE.replace("_", "%5F"),
        DEVICE.replace("_", "%5f"),
        DEVICE.replace("_", "%255F"),
        DEVICE[:-1],
        DEVICE[:12],
        f"id={DEVICE}&lat",
        f"x{DEVICE}y",
        f"-{DEVICE}-",
        f'{{"device_id": "{DEVICE.upper()}"}}',
        "Basic " + base64.b64encode(f"phone:{DEVICE}".encode()).decode(),
        "basic  " + base64.b64encode(f"a:b:{DEVICE}".encode()).decode(),
    ],
)
def test_no_spelling_of_a_devices_token_reaches_the_log(spelling):
    shown = hide_secrets(f"before {spelling} after")
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    assert "[hidden]" in shown
    for part in ("abcdefgh", "ABCDEFGH", base64.b64encode(b"phone:trk_abc").decode()[:12]):
        assert part.lower() not in shown.lower()


@pytest.mark.parametrize(
    "around", ["{}", "-{}", "_{}", "x{}", "token-{}-x", "a.{}", '"{}"', "({})"]
)
def test_no_token_reaches_the_log_whatever_stands_before_it(around):
    shown = hide_secrets(around.format(TOKEN))
    assert "eyJ" not in shown
    assert "c2lnbmF0dXJl" not in shown


@pytest.mark.parametrize("dot", ["%2E", "%2e", "%252E", "%25252e"])
def test_no_token_reaches_the_log_however_its_dots_are_quoted(dot):
    shown = hide_secrets(f"GET /?token={TOKEN.replace('.', dot)} HTTP/1.1")
    assert shown == "GET /?token=[hidden] HTTP/1.1"


def test_no_token_reaches_the_log_where_the_text_is_cut():
    shown = hide_secrets("x" * (MAX_TEXT_LENGTH - 20) + DEVICE)
    assert "abcdefgh" not in shown
    assert shown.endswith("[hidden] [16 more characters]")


@pytest.mark.parametrize(
    "text",
    ["tracking.pipeline.storage", "192.0.2.1", "eyJust-a-word", "eyJust 100%", "a.b", "trk_abc"],
)
def test_text_that_resembles_a_token_is_shown(text):
    assert hide_secrets(text) == text
