"""Unsupported databases: refused by the checks, and with a clear error on use."""

import json

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from tests import services
from tests.services import ServiceError
from tracking.checks import check_settings
from tracking.models import DriverLocation
from tracking.pipeline.rows import load_snapshots, upsert
from tracking.runtime import health

from .fakes import fix_of

ENGINES = "tests.tracking.engines"


class Routed:
    """Routes reads and writes to different databases."""

    def __init__(self, reads="default", writes="default"):
        self._reads, self._writes = reads, writes

    def db_for_read(self, model, **hints):
        return self._reads

    def db_for_write(self, model, **hints):
        return self._writes


@pytest.fixture
def add_database(monkeypatch):
    """Return a function that adds a database to the settings, without connecting to it."""

    def add(alias, engine):
        config = {**connections.settings["default"], "ENGINE": engine}
        monkeypatch.setitem(connections.settings, alias, config)

    yield add
    for alias in ("mariadb", "wrapped", "oracle"):
        if hasattr(connections._connections, alias):
            del connections[alias]


def ids():
    return [message.id for message in check_settings()]


@pytest.mark.parametrize("routes", [{"reads": "mariadb"}, {"writes": "mariadb"}])
def test_a_database_that_is_not_supported_is_named(settings, add_database, routes):
    add_database("mariadb", f"{ENGINES}.elsewhere")
    settings.DATABASE_ROUTERS = [Routed(**routes)]
    (message,) = check_settings()
    assert message.id == "tracking.E008"
    assert "DATABASES['mariadb']" in message.msg
    assert "PostgreSQL" in message.msg


def test_a_database_for_other_models_may_be_any(settings, add_database):
    add_database("mariadb", f"{ENGINES}.elsewhere")
    assert ids() == []


def test_an_engine_built_on_postgresqls_passes(settings, add_database):
    add_database("wrapped", f"{ENGINES}.wrapped")
    settings.DATABASE_ROUTERS = [Routed("wrapped", "wrapped")]
    assert ids() == []


@pytest.mark.parametrize(
    "use",
    [
        lambda: upsert([fix_of()]),
        lambda: load_snapshots([1]),
        lambda: health._query(),
    ],
    ids=["storing", "reading", "readiness"],
)
@pytest.mark.django_db
def test_using_it_all_the_same_says_what_is_wrong(monkeypatch, use):
    monkeypatch.setattr(connections["default"], "vendor", "mysql")
    with pytest.raises(ImproperlyConfigured, match="PostgreSQL and in SQLite, not in 'mysql'"):
        use()
    monkeypatch.undo()
    assert DriverLocation.objects.count() == 0


@pytest.mark.parametrize(
    "command", [["check"], ["migrate"], ["runserver", "--noreload", "127.0.0.1:0"], ["serve"]]
)
def test_neither_checks_nor_servers_start(command):
    with services.sqlite() as url:
        environment = services.environment(
            url,
            DJANGO_SETTINGS_MODULE="tests.e2e.host_database",
            HOST_DATABASE=json.dumps({"ENGINE": f"{ENGINES}.elsewhere"}),
        )
        with pytest.raises(ServiceError, match=r"tracking\.E008"):
            services.manage(environment, *command)
