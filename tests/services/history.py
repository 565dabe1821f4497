"""The kept fixes in a server's database."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from .users import aware, read_rows


class KeptFix(NamedTuple):
    """A row of `tracking.models.HistoryFix`, read without Django."""

    recorded_at: datetime
    latitude: float
    longitude: float
    accuracy: float | None = None
    heading: float | None = None
    speed: float | None = None
    battery: int | None = None
    charging: bool | None = None
    mock: bool = False


_ROWS = """
SELECT driver_id, recorded_at, latitude_e7, longitude_e7, accuracy, heading, speed, battery,
    charging, mock
FROM tracking_historyfix ORDER BY recorded_at
"""


def history(environment: Mapping[str, str]) -> dict[int, list[KeptFix]]:
    """Return the fixes of the history that are not packed yet, in order, by driver id."""
    kept: dict[int, list[KeptFix]] = defaultdict(list)
    for driver_id, recorded_at, latitude, longitude, *measured, charging, mock in read_rows(
        environment, _ROWS
    ):
        kept[driver_id].append(
            KeptFix(
                aware(recorded_at),
                latitude / 10**7,
                longitude / 10**7,
                *measured,
                # SQLite has no booleans.
                None if charging is None else bool(charging),
                bool(mock),
            )
        )
    return kept
