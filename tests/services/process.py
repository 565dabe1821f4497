"""A server process for tests and benchmarks: start, stop, kill, and read its log."""

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Self

# Replaces itself by the command, so the process id is the command's. Before that it drops root, and
# asks Linux to end the command when the thread that started it dies: a test run that
# is killed leaves no server behind. A launcher rather than `preexec_fn`, which is unsafe in a
# process with threads.
_LAUNCHER = """
import ctypes, os, pwd, signal, sys
parent, user, *command = sys.argv[1:]
if user:
    entry = pwd.getpwnam(user)
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))  # PR_SET_PDEATHSIG
    if os.getppid() != int(parent):
        sys.exit("the process that started this server has ended")
os.execv(command[0], command)
"""

_POLL_SECONDS = 0.02

# Messages of servers whose port, or PostgreSQL's shared memory, is still in use.
_TAKEN = ("ddress already in use", "is still in use")


class ServiceError(Exception):
    """Raised if a service is missing, did not start or cannot be stopped; the message says why."""


class Process:
    """One server on 127.0.0.1, on a port that it keeps over restarts. A context manager.

    A subclass defines `command`, and may check more in `ask` than that a connection is accepted.
    To restart, call `stop()` or `kill()`, then `start()`, from a thread that lives as long as the
    server should.
    """

    start_seconds = 60.0  # Only a server that fails to start takes so long, even on a busy machine.
    stop_seconds = 15.0

    def __init__(
        self,
        name: str,
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path = Path(),
        user: str = "",
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Set up a server. `user` runs it, which takes root; the default is the current user."""
        self.name = name
        self.port = 0
        self.environment = dict(os.environ if environment is None else environment)
        self._directory = directory
        self._user = user
        self._stop_signal = stop_signal
        self._log: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str | os.PathLike[str]]:
        """Return the command line for `self.port`; its first item is an absolute path."""
        raise NotImplementedError

    def ask(self) -> None:
        """Return if the server on `self.port` is ready; raise OSError while it is not."""
        socket.create_connection(("127.0.0.1", self.port), timeout=1).close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        if self._log is not None:
            self._log.close()
            self._log = None

    @property
    def pid(self) -> int:
        """Return the process id, for example to freeze it with SIGSTOP or read its CPU time."""
        if self._process is None:
            raise ServiceError(f"{self.name} is not running")
        return self._process.pid

    def resident(self) -> int:
        """Return the resident memory of the process in bytes. Linux only."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float:
        """Return the user and system time that the process has used, in seconds. Linux only."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def log(self) -> str:
        """Return all output of the process so far (stdout and stderr), over restarts."""
        if self._log is None:
            return ""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def start(self) -> None:
        """Start, and return once the server answers. Raises `ServiceError` with the log's tail."""
        if self._process is not None:
            raise ServiceError(f"{self.name} is already running")
        if self._log is None:
            self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed at __exit__
        deadline = time.monotonic() + self.start_seconds
        first_start = self.port == 0
        while True:
            if first_start:
                self.port = free_port()
            written = len(self.log())
            try:
                self._start_once(deadline)
            except ServiceError:
                self.kill()
                # Another process took the port since it was found free; or, after a kill, the rest
                # of the former server has not yet let go of the port or of its shared memory.
                taken = any(reason in self.log()[written:] for reason in _TAKEN)
                if not taken or time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_SECONDS)
            except BaseException:
                self.kill()
                raise
            else:
                return

    def _start_once(self, deadline: float) -> None:
        command = [os.fspath(part) for part in self.command()]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), self._user, *command],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=self.environment,
            cwd=self._directory,
            start_new_session=True,  # Ctrl-C goes to the test run, which then stops its servers
        )
        while True:
            if self._process.poll() is not None:
                raise ServiceError(
                    f"{self.name} ended with code {self._process.returncode}:\n{self._tail()}"
                )
            try:
                self.ask()
            except OSError as error:
                if time.monotonic() > deadline:
                    raise ServiceError(
                        f"{self.name} does not answer on port {self.port}: {error}\n{self._tail()}"
                    ) from error
                time.sleep(_POLL_SECONDS)
            else:
                return

    def stop(self) -> int | None:
        """Stop it and wait; kill it after `stop_seconds`. Returns the exit code."""
        if self._process is None:
            return None
        self._process.send_signal(self._stop_signal)
        self._process.send_signal(signal.SIGCONT)  # a frozen process would not handle the first
        try:
            self._process.wait(self.stop_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
        return self._reap()

    def kill(self) -> None:
        """End it at once with SIGKILL, like a crash."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def _reap(self) -> int:
        assert self._process is not None
        code = self._process.wait()
        self._process = None
        return code

    def _tail(self, lines: int = 30) -> str:
        return "\n".join(self.log().splitlines()[-lines:]) or "(it wrote nothing)"


def free_port() -> int:
    """Return a free TCP port on 127.0.0.1.

    It is below the range that systems give to outgoing connections (from 32768 on Linux). There, a
    client that retries a stopped server can be given the server's own port, connects to itself,
    and keeps the server from coming back.
    """
    ports = random.sample(range(20_000, 30_000), 100)
    for port in ports:
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ServiceError("no free TCP port between 20000 and 30000 on 127.0.0.1")
