"""Run workloads in turn, each with a new server and the load generator in its own process."""

import json
import resource
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.database import ROOT, Database
from benchmarks.load.ledger import MismatchError, check_history, check_rows
from benchmarks.servers import PROJECTS, SERVERS, Server, running
from benchmarks.workloads import WORKLOADS, Workload
from tests.services import Postgres, Process, postgres_service, redis_service
from tests.services.postgres import GivenPostgres

# Seconds, more than a run's own timeouts.
GENERATOR_TIMEOUT: Final = 150.0


@dataclass(frozen=True)
class Run:
    """One measurement: a workload on a server."""

    workload: Workload
    server: Server
    repetition: int


def plan(
    workloads: list[str], servers: list[str], *, quick: bool, repetitions: int | None
) -> list[Run]:
    """Return the runs in order, interleaved, so that a slow minute affects all servers alike."""
    runs = []
    for name in workloads:
        workload = WORKLOADS[name]
        times = dict.fromkeys(workload.quick, 1) if quick else workload.servers
        if servers:
            times = {server: workload.servers.get(server, 1) for server in servers}
        if repetitions:
            times = dict.fromkeys(times, repetitions)
        runs += [
            Run(workload, SERVERS[server], repetition)
            for server, count in times.items()
            for repetition in range(1, count + 1)
        ]
    return sorted(runs, key=lambda run: run.repetition)


class Bench:
    """PostgreSQL, Redis and a database for each project, for the time of the benchmark."""

    def __init__(
        self, directory: Path, database_server: GivenPostgres | Postgres, redis_url: str
    ) -> None:
        self._directory = directory
        self._redis_url = redis_url
        self._database_server = database_server
        self._signing_key = secrets.token_urlsafe(40)
        self._databases: dict[tuple[str, bool], Database] = {}

    def measure(self, run: Run, scenario: dict[str, Any]) -> dict[str, Any]:
        """Return the figures of one run; with `missing` or `mismatch`, they are not valid."""
        if reason := run.server.missing():
            return {"missing": reason}
        database = self._database(run.server)
        if database:
            database.reset(scenario["drivers"])
        with self._server(run, database) as process:
            result = self._load(scenario, run.server, process)
        # JSON has no integer keys.
        sent, acknowledged = (
            {int(driver): number for driver, number in result.pop(name, {}).items()}
            for name in ("sent", "acknowledged")
        )
        if database and "mismatch" not in result:
            try:
                check_rows(database.rows(), sent, acknowledged)
                if run.server.keeps_history:
                    check_history(database.history(), sent, acknowledged)
            except MismatchError as error:
                result["mismatch"] = str(error)
        return result

    def _database(self, server: Server) -> Database | None:
        if not server.project:
            return None
        key = server.project, server.sqlite
        if key not in self._databases:
            project = PROJECTS[server.project]
            if server.sqlite:
                url = f"sqlite:///{self._directory / server.project}.sqlite3"
            else:
                url = self._database_server.new_database()
            database = Database(url, project.table)
            django = (project.settings, project.folder) if project.settings else None
            database.create(schema=project.schema, django=django)
            self._databases[key] = database
        return self._databases[key]

    @contextmanager
    def _server(self, run: Run, database: Database | None) -> Iterator[Process]:
        with (
            tempfile.TemporaryDirectory(dir=self._directory) as directory,
            running(
                run.server,
                environment={
                    "DEBUG": "0",
                    "SECRET_KEY": secrets.token_urlsafe(40),
                    "JWT_SIGNING_KEY": self._signing_key,
                    "ALLOWED_HOSTS": "127.0.0.1",
                    "DATABASE_URL": database.url if database else "",
                    "REDIS_URL": self._redis_url if run.server.redis else "",
                    "NODE_ENV": "production",
                    # Thousands of phones connect from one address, and each sends as fast as
                    # possible.
                    "TRACKING_MAX_FIXES_PER_SECOND": "0",
                    "TRACKING_MAX_UNAUTHENTICATED_PER_ADDRESS": "0",
                    **run.server.environment,
                },
                directory=Path(directory),
            ) as process,
        ):
            yield process

    def _load(self, scenario: dict[str, Any], server: Server, process: Process) -> dict[str, Any]:
        scenario = scenario | {
            "url": f"ws://127.0.0.1:{process.port}",
            "server": process.pid,
            "signing_key": self._signing_key,
            "dialect": server.dialect,
        }
        generator = subprocess.run(
            [sys.executable, "-m", "benchmarks.load"],
            input=json.dumps(scenario),
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=GENERATOR_TIMEOUT,
        )
        if generator.returncode:
            return {"mismatch": f"the load generator failed: {generator.stderr[-2000:]}"}
        result: dict[str, Any] = json.loads(generator.stdout)
        if "mismatch" in result:
            result["server_log"] = process.log()[-2000:]
        return result


@contextmanager
def bench() -> Iterator[Bench]:
    """Start the services that the runs share, and stop them at the end."""
    # Each of thousands of connections is a file of the server, which inherits this limit.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with (
        tempfile.TemporaryDirectory(prefix="ridehail-benchmark-") as directory,
        postgres_service() as database_server,
        redis_service() as redis_server,
    ):
        # nginx's worker drops root's rights and needs access.
        Path(directory).chmod(0o755)
        yield Bench(Path(directory), database_server, redis_server.url)
