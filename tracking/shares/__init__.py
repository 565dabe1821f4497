"""Share links: whoever has one sees the live page of a trip, without an account.

The functions for host projects, the REST API, the page and the admin alike. A trip is given as an
object or by its id, users as objects or by id. All functions take part in the surrounding
transaction; open streams are checked again after the commit.
"""

from tracking.shares.errors import ShareConflict, TooManyShares, TripIsOver
from tracking.shares.links import MAX_SHARES, create, is_open, listed, resolve, revoke
from tracking.shares.rules import may_share

__all__ = [
    "MAX_SHARES",
    "ShareConflict",
    "TooManyShares",
    "TripIsOver",
    "create",
    "is_open",
    "listed",
    "may_share",
    "resolve",
    "revoke",
]
