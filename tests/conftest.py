import logging
import math
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation

from tests import services
from tests.services import osrm, valhalla
from tracking import metrics
from tracking.access_log import recent
from tracking.throttled_log import Throttle


def pytest_addoption(parser):
    parser.addoption(
        "--faults",
        action="store_true",
        help="Run the slow scenarios of tests/faults too, and write docs/reliability.md.",
    )


def pytest_unconfigure():
    """Remove what SQLite leaves beside a database that Django removed while threads had it open."""
    name = settings.DATABASES["default"].get("TEST", {}).get("NAME")
    for suffix in ("-shm", "-wal"):
        if name:
            Path(f"{name}{suffix}").unlink(missing_ok=True)


@pytest.fixture(scope="session")
def routing_engine():
    """Run a real routing engine on the streets of Helsinki's centre, with a `url`."""
    if not osrm.installable():
        pytest.skip(osrm.MISSING)
    with services.RoutingEngine() as engine:
        yield engine


@pytest.fixture(scope="session")
def valhalla_engine():
    """Run Valhalla on the same streets, with a `url`."""
    if not valhalla.installable():
        pytest.skip(valhalla.MISSING)
    with services.Valhalla() as engine:
        yield engine


@pytest.fixture(autouse=True)
def _fast_passwords(settings):
    """Hash passwords fast: the real hash is slow on purpose, and no test is about that."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _no_language_is_left():
    """Reset the language that the last request of an earlier test activated."""
    translation.deactivate()


@pytest.fixture(autouse=True)
def _logs_begin_anew():
    """Reset the log's throttles, so that lines of earlier tests suppress none of this one's."""
    for logger in logging.Logger.manager.loggerDict.values():
        for found in getattr(logger, "filters", ()):
            if isinstance(found, Throttle):
                found.forget()


@pytest.fixture(autouse=True)
def _nothing_is_degraded():
    """Reset the degraded subsystems that earlier tests left."""
    metrics.degraded.forget()


@pytest.fixture(autouse=True)
def _nobody_has_looked(monkeypatch):
    """Clear the recent looks of earlier tests, and disable the purge of old rows."""
    recent.clear()
    monkeypatch.setattr("tracking.access_log._purge_at", math.inf)
