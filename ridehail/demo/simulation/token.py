"""The access token of a user, renewed while it is still valid."""

import time
from collections.abc import Callable
from typing import TypeAlias

# Returns a fresh token and the `time.time()` at which to ask for the next.
Mint: TypeAlias = Callable[[], tuple[str, float]]


class Token:
    """Gives one user's token. `mint` issues them."""

    def __init__(self, mint: Mint) -> None:
        self._mint = mint
        self._text, self._renew_at = "", 0.0

    def get(self) -> str:
        """Return a valid token."""
        if time.time() >= self._renew_at:
            self._text, self._renew_at = self._mint()
        return self._text

    def drop(self) -> None:
        """Have the next one issued anew, as the server refuses this one."""
        self._renew_at = 0.0
