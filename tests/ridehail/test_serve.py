import pytest
import uvicorn
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.keys import development_key
from ridehail.management.commands import serve
from tracking.contrib.uvicorn import supervisor


@pytest.fixture
def served(settings, monkeypatch):
    """Return the list of configurations that would be served, instead of serving them."""
    served = []
    monkeypatch.setattr(supervisor, "serve", served.append)
    # uvicorn would configure the whole process's log, at once.
    monkeypatch.setattr(serve, "logging_config", lambda log_format: None)
    settings.SECRET_KEY, settings.JWT_SIGNING_KEY = "s" * 32, "j" * 32
    return served


@pytest.mark.parametrize("debug", [True, False])
def test_keys_of_its_own_are_served_with(served, settings, debug):
    settings.DEBUG = debug
    call_command("serve")
    (config,) = served
    assert isinstance(config, uvicorn.Config)


@pytest.mark.parametrize("name", ["SECRET_KEY", "JWT_SIGNING_KEY"])
def test_nothing_is_served_with_developers_keys(served, settings, name):
    settings.DEBUG = True
    setattr(settings, name, development_key(name))
    with pytest.raises(CommandError, match=f"{name} would be the known key") as refusal:
        call_command("serve")
    assert "Set DEBUG=0" in str(refusal.value)
    assert served == []


def test_several_workers_without_redis_are_refused(served):
    with pytest.raises(CommandError, match="--workers 2 needs a channel layer"):
        call_command("serve", workers=2)
    assert served == []


def test_several_workers_are_served_with_redis_even_if_it_is_not_running(served, settings, capsys):
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "tracking.contrib.channels_redis.ChannelLayer",
            "CONFIG": {"hosts": ["redis://127.0.0.1:1"]},
        }
    }
    call_command("serve", workers=2)
    (config,) = served
    assert config.workers == 2
    assert "tracking.W010: Redis host 1 of 1: it cannot be used" in capsys.readouterr().err
