"""A disk that is full: a small file system in memory, and a table on it."""

import errno
import subprocess
import tempfile
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql

TABLE = "tracking_driverlocation"


class MountError(Exception):
    """This user, on this machine, may not mount a file system."""


class SmallDisk:
    """A file system of 1 MiB that belongs to the user with that id. A context manager.

    Raises `MountError` where that is not allowed: as a rule it takes root.
    """

    def __init__(self, owner: int) -> None:
        self.directory = Path()
        self._owner = owner

    def __enter__(self) -> Self:
        self.directory = Path(tempfile.mkdtemp(prefix="ridehail-disk-"))
        options = f"size=1m,mode=700,uid={self._owner}"
        answer = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.directory],
            capture_output=True,
            text=True,
        )
        if answer.returncode:
            self.directory.rmdir()
            raise MountError(answer.stderr.strip())
        return self

    def __exit__(self, *error: object) -> None:
        subprocess.run(["umount", self.directory], check=True)
        self.directory.rmdir()

    def fill(self) -> None:
        """Leave not a byte."""
        with (self.directory / "filler").open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        """Make room again."""
        (self.directory / "filler").unlink()


class TableOnDisk:
    """The table of locations on that disk, where every update takes new room. A context manager.

    While a transaction is open that may still look at them, old versions of rows stay.
    """

    def __init__(self, url: str, disk: SmallDisk) -> None:
        self._url = url
        self._disk = disk

    def __enter__(self) -> Self:
        with psycopg.connect(self._url, autocommit=True) as connection:
            create = sql.SQL("CREATE TABLESPACE small LOCATION {}")
            connection.execute(create.format(str(self._disk.directory)))
            connection.execute(f"ALTER TABLE {TABLE} SET TABLESPACE small")
        self._reader = psycopg.connect(self._url)
        self._reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        self._reader.execute(f"SELECT count(*) FROM {TABLE}")
        return self

    def __exit__(self, *error: object) -> None:
        self._reader.close()
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f"ALTER TABLE {TABLE} SET TABLESPACE pg_default")
            connection.execute("DROP TABLESPACE small")


def owner_of(pid: int) -> int:
    """The id of the user who runs a process."""
    return Path(f"/proc/{pid}").stat().st_uid
