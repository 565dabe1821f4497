"""The servers that are measured: their commands, and the databases of their locations."""

import os
import shutil
import signal
import string
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.database import ROOT, Table
from benchmarks.load.cpu import processes_of
from tests.services import Process

PEERS: Final = ROOT / "benchmarks" / "peers"
TUTORIAL: Final = PEERS / "channels_tutorial"
NODE: Final = PEERS / "node"
NCHAN_MODULES: Final = (
    Path("/usr/lib/nginx/modules/ngx_nchan_module.so"),
    Path("/usr/lib64/nginx/modules/ngx_nchan_module.so"),
    Path("/usr/local/lib/nginx/modules/ngx_nchan_module.so"),
)

Command = Callable[[int, Path], list[str]]


@dataclass(frozen=True, kw_only=True)
class Server:
    """A row of the report. `command` gets the port and an empty working directory.

    `environment` is added to that of all servers. `keeps_history` says that it stores every fix.
    """

    name: str
    title: str
    command: Command
    project: str
    redis: bool = True
    sqlite: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    keeps_history: bool = False
    dialect: str = "tracking"
    missing: Callable[[], str] = lambda: ""

    def command_line(self) -> str:
        """Return the command for the report, without paths of this machine."""
        if self.dialect == "nchan":
            return "nginx -c benchmarks/peers/nchan/nginx.conf"
        program, *arguments = self.command(0, Path())
        settings = [f"{name}={value}" for name, value in self.environment.items()]
        shown = [*settings, Path(program).name.rstrip("0123456789."), *arguments]
        return " ".join(shown).replace(f"{ROOT}/", "").replace(" 0", " PORT", 1)


@dataclass(frozen=True, kw_only=True)
class Project:
    """A code base, which several servers may run: its folder and how to create its database."""

    folder: Path
    table: Table
    settings: str = ""
    schema: Path | None = None


PROJECTS: Final = {
    "ours": Project(
        folder=ROOT,
        settings="ridehail.settings",
        table=Table(
            "tracking_driverlocation",
            "recorded_at, received_at",
            "'2020-01-01 00:00:00', '2020-01-01 00:00:00'",
            history="tracking_historyfix",
        ),
    ),
    "tutorial": Project(
        folder=TUTORIAL,
        settings="tutorial.settings",
        table=Table("tutorial_location", "updated_at", "'2020-01-01 00:00:00'"),
    ),
    "node": Project(
        folder=NODE,
        schema=NODE / "schema.sql",
        table=Table("driver_location", "updated_at", "'2020-01-01 00:00:00'"),
    ),
}


def _uvicorn(application: str, *options: str) -> Command:
    def command(port: int, _directory: Path) -> list[str]:
        return [
            *(sys.executable, "-m", "uvicorn", application),
            *("--host", "127.0.0.1", "--port", str(port), "--backlog", "8192"),
            *("--loop", "uvloop", "--http", "httptools", "--ws", "websockets-sansio"),
            *("--ws-per-message-deflate", "false", "--ws-max-size", "16384"),
            *("--no-access-log", "--log-level", "warning", *options),
        ]

    return command


def _serve(workers: int) -> Command:
    def command(port: int, _directory: Path) -> list[str]:
        serve = [sys.executable, str(ROOT / "manage.py"), "serve", "--port", str(port)]
        return [*serve, "--workers", str(workers)]

    return command


def _daphne(application: str) -> Command:
    def command(port: int, _directory: Path) -> list[str]:
        return [
            *(sys.executable, "-m", "daphne", "--bind", "127.0.0.1", "--port", str(port)),
            *("--verbosity", "0", application),
        ]

    return command


def _node(port: int, _directory: Path) -> list[str]:
    return [which("node"), str(NODE / "server.js"), str(port)]


def _nginx(port: int, directory: Path) -> list[str]:
    template = string.Template((PEERS / "nchan" / "nginx.conf").read_text())
    module = next(path for path in NCHAN_MODULES if path.exists())
    values = {"module": module, "directory": directory, "port": port}
    configuration = directory / "nginx.conf"
    configuration.write_text(template.safe_substitute(values))
    return [which("nginx"), "-p", str(directory), "-c", str(configuration)]


def which(program: str) -> str:
    """Return the absolute path of a program, or "" if it is not installed."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin") or ""


def _node_missing() -> str:
    if not which("node"):
        return "Node.js is not installed"
    if not (NODE / "node_modules").exists():
        return "not installed: run `npm ci` in benchmarks/peers/node"
    return ""


def _nchan_missing() -> str:
    if not which("nginx"):
        return "nginx is not installed"
    if not any(path.exists() for path in NCHAN_MODULES):
        return "nginx is installed, its nchan module is not"
    return ""


# The peers keep the last known location alone.
WITHOUT_HISTORY: Final = {"TRACKING_HISTORY": "off"}
WITH_HISTORY: Final = {"TRACKING_HISTORY": "all", "TRACKING_HISTORY_DAYS": "60"}

SERVERS: Final = {
    server.name: server
    for server in (
        Server(
            name="ours",
            title="This project, uvicorn",
            project="ours",
            command=_serve(1),
            environment=WITHOUT_HISTORY,
        ),
        Server(
            name="ours-history",
            title="This project, uvicorn, every fix kept",
            project="ours",
            command=_serve(1),
            environment=WITH_HISTORY,
            keeps_history=True,
        ),
        Server(
            name="ours-2",
            title="This project, uvicorn, two workers",
            project="ours",
            command=_serve(2),
            environment=WITHOUT_HISTORY,
        ),
        Server(
            name="node",
            title="Node.js: ws, jsonwebtoken, pg, ioredis",
            project="node",
            command=_node,
            missing=_node_missing,
        ),
        Server(
            name="tutorial-uvicorn",
            title="Channels as its tutorial teaches, uvicorn",
            project="tutorial",
            command=_uvicorn("tutorial.asgi:application", "--lifespan", "off"),
        ),
        Server(
            name="tutorial-daphne",
            title="Channels as its tutorial teaches, Daphne",
            project="tutorial",
            command=_daphne("tutorial.asgi:application"),
        ),
        Server(
            name="nchan",
            title="nginx with nchan (no tokens, no storage)",
            project="",
            redis=False,
            command=_nginx,
            dialect="nchan",
            missing=_nchan_missing,
        ),
        Server(
            name="ours-embedded",
            title="This project, Daphne",
            project="ours",
            redis=False,
            sqlite=True,
            command=_daphne("ridehail.asgi:application"),
            environment=WITHOUT_HISTORY,
        ),
        Server(
            name="tutorial-embedded",
            title="Channels as its tutorial teaches, Daphne",
            project="tutorial",
            redis=False,
            sqlite=True,
            command=_daphne("tutorial.asgi:application"),
        ),
    )
}


class _ServerProcess(Process):
    def __init__(self, server: Server, *, directory: Path, environment: dict[str, str]) -> None:
        folder = PROJECTS[server.project].folder if server.project else directory
        super().__init__(
            server.name, environment=environment | {"PYTHONPATH": str(folder)}, directory=folder
        )
        self._server = server
        self._own_directory = directory

    def command(self) -> list[str]:
        return self._server.command(self.port, self._own_directory)


@contextmanager
def running(
    server: Server, *, environment: Mapping[str, str], directory: Path
) -> Iterator[Process]:
    """Start the server, wait until it accepts connections, and stop all its processes at the end.

    `environment` is added to its environment; `directory` is its own and empty.
    """
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = _ServerProcess(server, directory=directory, environment={**inherited, **environment})
    with process:
        session = process.pid
        try:
            yield process
        finally:
            # Kill: its clients have left, so a graceful stop would only take time.
            for pid in processes_of(session):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
