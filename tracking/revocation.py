"""Rechecks of open sessions, on every worker, when something about a user changes.

The message contains the users' ids, not the change. `tracking.access.registry` receives it.
"""

from collections.abc import Iterable
from typing import Final

from tracking.engine import notices
from tracking.ids import UserId, to_plain

GROUP: Final = "tracking.recheck"


def recheck(user_ids: Iterable[UserId]) -> None:
    """Check all open sessions of these users again, on every worker.

    Call it after committing a change to data that a policy reads. It never raises. While the
    channel layer is unavailable, sessions notice the change within `session.RECHECK_INTERVAL`.
    """
    notices.send(GROUP, {"type": GROUP, "users": [*map(to_plain, user_ids)]})
