"""Errors of share links.

ShareConflict           the trip is not in a state for this
├── TripIsOver          the trip has ended
└── TooManyShares       the trip has as many live links as it may have
"""

from typing import ClassVar

from django.utils.translation import gettext as _


class ShareConflict(Exception):
    """Base of the errors that depend on the present state of a trip."""

    code: ClassVar[str]


class TripIsOver(ShareConflict):
    code = "trip_over"

    def __init__(self) -> None:
        super().__init__(_("This trip has ended, so it can't be shared."))


class TooManyShares(ShareConflict):
    code = "too_many_shares"

    def __init__(self, limit: int) -> None:
        text = _("This trip has %(count)d links already. Stop sharing one of them first.")
        super().__init__(text % {"count": limit})
