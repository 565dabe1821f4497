"""A fix of the history. No I/O."""

from datetime import datetime

import msgspec

from tracking.plausibility import Flags as Flags


class TrackFix(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A kept fix of one driver: WGS 84 degrees to 7 decimals, aware UTC to a microsecond.

    `accuracy` is kept to 0.1 m, `heading` to 1° and `speed` to 0.1 m/s; None means unknown.
    `battery` is in percent. `mock` is True if the platform said that the location is simulated.
    `flags` are found when a track is read: see `tracking.plausibility`.
    """

    recorded_at: datetime
    received_at: datetime
    latitude: float
    longitude: float
    accuracy: float | None = None
    heading: float | None = None
    speed: float | None = None
    battery: int | None = None
    charging: bool | None = None
    mock: bool = False
    flags: Flags = Flags(0)
