"""The system's PgBouncer in front of a PostgreSQL, in transaction mode."""

import os
import shutil
import tempfile
from pathlib import Path

import psycopg

from .nginx import DIRECTORIES
from .postgres import Postgres, unprivileged_user
from .process import Process, ServiceError
from .program import Program

PACKAGE = "pgbouncer"  # Debian's


def find_pgbouncer() -> Program:
    if path := shutil.which("pgbouncer", path=DIRECTORIES):
        return Program(Path(path), "system")
    raise ServiceError(
        "There is no PgBouncer to test behind. Install one with `python -m tests.services`, or by "
        "hand (Debian: `apt-get install pgbouncer`)."
    )


class PgBouncer(Process):
    """Gives each transaction of any client one of `pool_size` connections to `postgres`."""

    def __init__(self, postgres: Postgres, pool_size: int = 5) -> None:
        # It refuses to run as root, as PostgreSQL does.
        super().__init__("PgBouncer", user=unprivileged_user() if os.geteuid() == 0 else "")
        self._postgres = postgres
        self._pool_size = pool_size
        self._folder = tempfile.TemporaryDirectory(prefix="ridehail-pgbouncer-")
        self._program = find_pgbouncer()

    def url(self, postgres_url: str) -> str:
        """Return the URL of a database of the PostgreSQL, through this PgBouncer."""
        return postgres_url.replace(f":{self._postgres.port}/", f":{self.port}/")

    def command(self) -> list[str | os.PathLike[str]]:
        folder = Path(self._folder.name)
        (folder / "users.txt").write_text('"postgres" ""\n')
        (folder / "pgbouncer.ini").write_text(
            "[databases]\n"
            f"* = host=127.0.0.1 port={self._postgres.port}\n"
            "[pgbouncer]\n"
            "listen_addr = 127.0.0.1\n"
            f"listen_port = {self.port}\n"
            "unix_socket_dir =\n"
            "auth_type = trust\n"
            f"auth_file = {folder}/users.txt\n"
            "pool_mode = transaction\n"
            f"default_pool_size = {self._pool_size}\n"
        )
        for path in (folder, *folder.iterdir()):
            if self._user:
                shutil.chown(path, self._user)
        return [self._program.path, folder / "pgbouncer.ini"]

    def ask(self) -> None:
        try:
            psycopg.connect(self.url(self._postgres.url), connect_timeout=2).close()
        except psycopg.OperationalError as error:
            raise ConnectionError(str(error)) from error

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._folder.cleanup()
