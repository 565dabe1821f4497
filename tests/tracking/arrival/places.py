"""Fixes at a distance from a place."""

from datetime import timedelta

import msgspec

from tracking.geo import METRES_PER_DEGREE

from ..fakes import fix_of

PLACE = (60.17, 24.94)


def fix_at(metres, second, driver_id=19, late=0.0, **rest):
    """Return a fix so many metres north of the place, measured `second` seconds after noon."""
    fix = fix_of(driver_id, second, PLACE[0] + metres / METRES_PER_DEGREE, PLACE[1], **rest)
    if late:
        received_at = fix.received_at + timedelta(seconds=late)
        fix = msgspec.structs.replace(fix, received_at=received_at)
    return fix
