"""The project's own servers, run as in development and as in production."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

from .process import Process, ServiceError
from .program import PROJECT

# Known, so that a test can sign an expired or otherwise wrong token.
JWT_SIGNING_KEY = "tests-only-jwt-signing-key-longer-than-thirty-two-bytes"
SECRET_KEY = "tests-only-secret-key-" + "longer-than-fifty-characters-in-all"

_SETTINGS = (
    "ACCESS_TOKEN_LIFETIME_SECONDS",
    "ALLOWED_HOSTS",
    "CSRF_TRUSTED_ORIGINS",
    "DATABASE_URL",
    "DEBUG",
    "REDIS_URL",
    "REQUIRE_SECOND_FACTOR",
    "SECURE_HSTS_SECONDS",
    "SECURE_SSL_REDIRECT",
    "STAFF_IDLE_TIMEOUT_SECONDS",
    "TRUSTED_PROXIES",
)


def environment(database_url: str, redis_url: str = "", **settings: str) -> dict[str, str]:
    """Return the environment of a server: this process's, without its settings of the project.

    Without `redis_url` the server has the in-memory channel layer, so it must be the only one.
    `settings` are further variables, for example `TRACKING_AUTHENTICATION_TIMEOUT="1"`.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in _SETTINGS and not name.startswith(("TRACKING_", "UVICORN_"))
    }
    return {
        **inherited,
        "DJANGO_SETTINGS_MODULE": "ridehail.settings",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": SECRET_KEY,
        "JWT_SIGNING_KEY": JWT_SIGNING_KEY,
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "PYTHONUNBUFFERED": "1",
        # No drain: a test that stops a server need not spare its clients.
        "TRACKING_DRAIN_SECONDS": "0",
        # Staff log in with a password alone, but for the tests of the second factor.
        "REQUIRE_SECOND_FACTOR": "false",
        **settings,
    }


@contextmanager
def sqlite() -> Iterator[str]:
    """Yield the URL of a new SQLite database in a file, which is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="ridehail-sqlite-") as directory:
        yield f"sqlite:///{quote(str(Path(directory) / 'db.sqlite3'))}"


def manage(environment: Mapping[str, str], *arguments: str, timeout: float = 120) -> str:
    """Run `manage.py` and return its output. Raises `ServiceError` if it fails."""
    answer = subprocess.run(
        [sys.executable, PROJECT / "manage.py", *arguments],
        env=environment,
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
    )
    if answer.returncode:
        raise ServiceError(f"manage.py {' '.join(arguments)} failed:\n{answer.stdout}")
    return answer.stdout


class Server(Process):
    """A server of this project."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        super().__init__(name, environment=environment, directory=PROJECT)

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"


class Runserver(Server):
    """`manage.py runserver` on a free port, as in development: DEBUG is on.

    The database must have been migrated. Its deliverer runs only if `delivers` is true: to start
    it takes 2 s of a core.
    """

    def __init__(
        self, environment: Mapping[str, str], name: str = "runserver", *, delivers: bool = False
    ) -> None:
        super().__init__(name, {"DEBUG": "true", **environment})
        self._delivers = delivers

    def command(self) -> list[str | os.PathLike[str]]:
        address = f"127.0.0.1:{self.port}"
        options = [] if self._delivers else ["--no-deliverer"]
        return [sys.executable, PROJECT / "manage.py", "runserver", "--noreload", *options, address]


class Uvicorn(Server):
    """One `manage.py serve` worker on a port of its own, as in production: DEBUG is off.

    Production's workers share a port. Here each has its own, so that a test can put a driver on
    one worker and its watchers on another. The database must have been migrated.
    """

    def __init__(self, environment: Mapping[str, str], name: str = "uvicorn") -> None:
        super().__init__(name, {"DEBUG": "false", **environment})

    def command(self) -> list[str | os.PathLike[str]]:
        return [sys.executable, PROJECT / "manage.py", "serve", "--port", str(self.port)]


class PlainUvicorn(Server):
    """uvicorn as a host may run it: without this project's protocol class and lifespan settings.

    `application` is the ASGI application, as in uvicorn's command line.
    """

    def __init__(
        self, environment: Mapping[str, str], application: str, name: str = "uvicorn"
    ) -> None:
        super().__init__(name, environment)
        self._application = application

    def command(self) -> list[str | os.PathLike[str]]:
        uvicorn = Path(sys.executable).with_name("uvicorn")
        return [uvicorn, self._application, "--port", str(self.port)]


@contextmanager
def cluster(environment: Mapping[str, str], workers: int = 2) -> Iterator[list[Uvicorn]]:
    """Start workers that share one database, which is migrated first, and one Redis."""
    manage(environment, "migrate", "--no-input")
    with ExitStack() as stack:
        names = [f"uvicorn {number}" for number in range(1, workers + 1)]
        yield [stack.enter_context(Uvicorn(environment, name)) for name in names]


class Deliverer(Server):
    """`manage.py tracking_deliver`, as in production. It listens on no port."""

    def __init__(self, environment: Mapping[str, str], name: str = "deliverer") -> None:
        super().__init__(name, {"DEBUG": "false", **environment})

    def command(self) -> list[str | os.PathLike[str]]:
        return [sys.executable, PROJECT / "manage.py", "tracking_deliver"]

    def ask(self) -> None:
        """Return at once: that it delivers is what tests are about."""
