"""Fixes of taxis, made up or recorded, and the messages in which a lossy network brings them."""

import csv
import os
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from .test_taxis import BESIDE, VARIABLE

TAXIS, SHORTEST, LONGEST = 36, 30, 80
MIN_MESSAGES = 4  # messages of a taxi whose connection is cut twice
HELD_BACK, REPEATED = 0.2, 0.05

RECORDED = Path(os.environ.get(VARIABLE) or BESIDE)
SOURCES = ["made up", "recorded"] if RECORDED.exists() else ["made up"]


class Measured(NamedTuple):
    """A fix by the phone's own clock."""

    at: datetime
    lat: str
    lon: str

    def payload(self) -> dict[str, str]:
        return {"lat": self.lat, "lon": self.lon, "recorded_at": self.at.isoformat()}


# The content of one message: a fix, or several.
Send = list[Measured]


def taxis_of(source: str) -> list[list[Measured]]:
    """Return the fixes of each taxi of one of the `SOURCES`, in order."""
    return made_up_taxis() if source == "made up" else recorded_taxis()


def recorded_taxis() -> list[list[Measured]]:
    vehicles = defaultdict(list)
    with RECORDED.open(newline="") as file:
        for row in csv.DictReader(file):
            at = datetime.fromisoformat(row["recorded_at"])
            vehicles[row["vehicle"]].append(Measured(at, row["latitude"], row["longitude"]))
    return [sorted(fixes) for fixes in vehicles.values() if len(fixes) >= MIN_MESSAGES]


def made_up_taxis() -> list[list[Measured]]:
    """Return fixes in the file's form, with irregular intervals, gaps, and steps of up to 500 m."""
    rng = random.Random(2020)
    taxis = []
    for _ in range(TAXIS):
        at, lat, lon = datetime(2020, 7, 18, 9, tzinfo=UTC), 31.5, 120.3
        fixes = []
        for _ in range(rng.randint(SHORTEST, LONGEST)):
            at += timedelta(seconds=rng.choice([5, 17, 60, 353, 3600]))
            lat += rng.uniform(-0.0045, 0.0045)
            lon += rng.uniform(-0.0045, 0.0045)
            fixes.append(Measured(at, f"{lat:.6f}", f"{lon:.7f}"))
        taxis.append(fixes)
    return taxis


def lossy(rng: random.Random, fixes: list[Measured]) -> list[Send]:
    """Return the phone's messages in order: late, repeated, and in batches."""
    sends: list[Send] = []
    late: Send = []
    for fix in fixes:
        if rng.random() < HELD_BACK:
            late.append(fix)
        else:
            sends.append([fix])
        if late and rng.random() < 0.1:
            sends.append(late)
            late = []
        if sends and rng.random() < REPEATED:
            sends.append(rng.choice(sends[-5:]))
    return [*sends, late] if late else sends


def payload(send: Send) -> dict[str, Any]:
    """Return the payload of a message, without the token."""
    if len(send) == 1:
        return {"command": "send", **send[0].payload()}
    return {"command": "send_batch", "fixes": [fix.payload() for fix in send]}
