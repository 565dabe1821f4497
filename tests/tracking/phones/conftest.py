"""Fixtures of the HTTP tests, as phones report over HTTP."""

from ..rest.conftest import (  # noqa: F401
    _nothing_left_behind,
    _unthrottled,
    rest,
)
