"""A full disk: a small file system in memory, and a table on it."""

import errno
import subprocess
import tempfile
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql

TABLE = "tracking_driverlocation"


class MountError(Exception):
    """Raised if this user may not mount a file system on this machine."""


class SmallDisk:
    """A file system of 1 MiB, owned by the user with this id. A context manager.

    Raises `MountError` if mounting is not allowed: it usually takes root.
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
        """Fill the file system to the last byte."""
        with (self.directory / "filler").open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        """Delete what `fill` wrote."""
        (self.directory / "filler").unlink()


class TableOnDisk:
    """The table of locations on a small disk, where updates take new space. A context manager.

    An open transaction may still read old versions of rows, so they are kept.
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
    """Return the id of the user who runs a process."""
    return Path(f"/proc/{pid}").stat().st_uid
