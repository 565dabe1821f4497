"""Times are read as Django reads them, in SQLite and PostgreSQL."""

from datetime import UTC, timedelta

import pytest

from tracking.engine.times import time_of
from tracking.models import DriverLocation
from tracking.pipeline.rows import upsert

from ..fakes import NOON, fix_of
from ..rows import drivers

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])


@pytest.mark.parametrize("microseconds", [0, 1, 120_000, 123_456, 999_999])
def test_times_are_those_that_django_reads(database, microseconds):
    at = NOON + timedelta(microseconds=microseconds)
    here, gone = drivers(2)
    upsert([fix_of(here), fix_of(gone, disconnected_at=at)])
    rows = DriverLocation.objects.order_by("pk")
    times = list(rows.values_list(time_of("disconnected_at"), flat=True))
    assert times == list(rows.values_list("disconnected_at", flat=True)) == [None, at]
    assert times[1].tzinfo is UTC
