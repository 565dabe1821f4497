"""Programs of the system that only some tests need."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.services import ServiceError


def skip_without(find: Callable[[], Any]) -> None:
    """Skip the test, with the reason, if `find` finds no program: one of `services.find_…`."""
    try:
        find()
    except ServiceError as error:
        pytest.skip(str(error))
