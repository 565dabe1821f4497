import sys

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tracking.contrib.uvicorn import config, supervisor
from tracking.contrib.uvicorn.config import Config
from tracking.management.commands import tracking_serve

# A layer that workers share. Nothing listens there, which is reported but not refused.
SHARED = {
    "default": {
        "BACKEND": "tracking.contrib.channels_redis.ChannelLayer",
        "CONFIG": {"hosts": ["redis://127.0.0.1:1"]},
    }
}


@pytest.fixture
def served(monkeypatch):
    """Return the list of configurations that would be served."""
    served = []
    monkeypatch.setattr(supervisor, "serve", served.append)
    # uvicorn would configure logging for the whole process.
    monkeypatch.setattr(Config, "configure_logging", lambda self: None)
    return served


def test_options_and_settings_reach_the_server(served, settings):
    settings.TRACKING = {"MAX_MESSAGE_SIZE": 1234}
    settings.CHANNEL_LAYERS = SHARED
    call_command("tracking_serve", "--host", "::1", "--port", "4711", "--workers", "3")
    (served_with,) = served
    assert (served_with.host, served_with.port, served_with.workers) == ("::1", 4711, 3)
    assert served_with.ws_max_size == 1234
    assert not served_with.ws_per_message_deflate


def test_workers_serve_the_hosts_application_with_what_surrounds_it(served):
    call_command("tracking_serve")
    (served_with,) = served
    served_with.load()
    from tracking.consumers.draining import drain
    from tracking.serving import asgi

    assert served_with.loaded_app is asgi.application
    assert served_with.loaded_drain is drain


def test_host_gives_uvicorn_more_options_by_a_subclass(served):
    class Command(tracking_serve.Command):
        def configure(self, **options):
            return super().configure(root_path="/app", access_log=True, **options)

    call_command(Command())
    (served_with,) = served
    assert (served_with.root_path, served_with.access_log) == ("/app", True)


def test_missing_httptools_is_reported_and_costs_the_limits(served, monkeypatch, capsys):
    monkeypatch.setattr(config, "HAS_HTTPTOOLS", False)
    call_command("tracking_serve")
    (served_with,) = served
    assert served_with.http == "h11"
    assert "httptools" in capsys.readouterr().err


def test_missing_uvicorn_is_named_with_the_extra_that_brings_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "tracking.contrib.uvicorn.supervisor")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(CommandError, match=r"uvicorn.*\[uvicorn\]"):
        call_command("tracking_serve")
