import json
import logging
import logging.config

import pytest

from ridehail.logs import JSONWithoutSecrets, WithoutHandshakes, WithoutSecrets, logging_config

from .test_settings import settings_with

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6MX0.c2lnbmF0dXJl"
ROW = 'violates check constraint\nDETAIL:  Failing row contains (19, -1.4354, "0.9871").'


class Request:
    """What Django adds to its records: its text has the query string."""

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


def test_json_stays_whole_when_a_row_is_hidden():
    event = json.loads(JSONWithoutSecrets().format(record(ROW)))
    assert event["event"] == "violates check constraint\nDETAIL:  [hidden]"


@pytest.mark.parametrize("log_format", ["json", "plain"])
def test_configuration_is_one_that_logging_takes(log_format):
    config = logging_config(log_format)
    configurator = logging.config.DictConfigurator(config)
    formatter = configurator.configure_formatter(config["formatters"][log_format])
    assert "Hello" in formatter.format(record("Hello"))


def test_handshakes_are_not_logged():
    keeps = WithoutHandshakes().filter
    assert not keeps(record('%s - "WebSocket %s" [accepted]', "127.0.0.1", "/?token=1"))
    assert keeps(record("Started server process [%d]", 1))


def test_unknown_log_format_is_refused_at_the_start():
    assert settings_with(LOG_FORMAT="xml").endswith("LOG_FORMAT must be json or plain, not xml.")
