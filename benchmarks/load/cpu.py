"""CPU time and memory of a server's processes, from /proc."""

import os
from pathlib import Path
from typing import Final

_TICK: Final = os.sysconf("SC_CLK_TCK")


def processes_of(session: int) -> list[int]:
    """Return the processes of a session: a server that leads it, with all its children."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields and int(fields[3]) == session:
                found.append(int(entry.name))
    return found


def cpu_seconds(session: int) -> float:
    """Return the user and system time, in seconds, of the session's running processes."""
    ticks = 0
    for pid in processes_of(session):
        if fields := _stat(pid):
            ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICK


def memory(session: int) -> int:
    """Return the memory of the session's processes in bytes, with shared pages divided (PSS)."""
    kibibytes = 0
    for pid in processes_of(session):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                kibibytes += int(line.split()[1])
    return kibibytes * 1024


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the command's name; none if the process ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
