"""Phones report over HTTP, and so are tested with what tests of HTTP have."""

from ..rest.conftest import (  # noqa: F401
    _nothing_left_behind,
    _unthrottled,
    rest,
)
