"""Queries for all drivers, in SQLite and PostgreSQL."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.test.utils import CaptureQueriesContext

from tracking.fleet import rows as fleet_rows
from tracking.fleet.rows import load_marks, load_names, load_page, load_shown
from tracking.pipeline.rows import upsert

from ..fakes import NOON, fix_of
from ..rows import FAR_AWAY, drivers

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])


def test_pages_hold_everybody_once_with_fix_and_name(database, monkeypatch):
    monkeypatch.setattr(fleet_rows, "PAGE", 2)
    ids = drivers(5)
    get_user_model().objects.filter(pk=ids[0]).update(name="Jonh")
    fixes = [fix_of(driver_id, second=number, speed=8.5) for number, driver_id in enumerate(ids)]
    upsert(fixes)
    pages, after = [], 0
    while page := load_page(after):
        pages.append(page)
        after = page[-1][0].driver_id
    assert [len(page) for page in pages] == [2, 2, 1]
    rows = [row for page in pages for row in page]
    assert [fix for fix, _ in rows] == fixes
    assert [name for _, name in rows] == ["Jonh", *(f"driver{n}@example.com" for n in range(1, 5))]


def test_a_page_is_one_query(database):
    upsert([fix_of(driver_id) for driver_id in drivers(3)])
    with CaptureQueriesContext(connections[database]) as queries:
        load_page(0)
    assert len(queries) == 1


def test_a_driver_without_a_location_is_on_no_page(database):
    drivers(1)
    assert load_page(0) == []


def test_marks_are_of_drivers_heard_or_disconnected_since_then(database):
    before, then, gone = drivers(3)
    left = NOON + timedelta(seconds=9)
    upsert(
        [
            fix_of(before, second=4),
            fix_of(then, second=5),
            fix_of(gone, second=1, disconnected_at=left),
        ]
    )
    assert load_marks(NOON + timedelta(seconds=5)) == {
        then: (NOON + timedelta(seconds=5), None),
        gone: (NOON + timedelta(seconds=1), left),
    }


def test_deactivated_drivers_are_on_no_page_and_not_shown(database):
    (driver_id,) = drivers(1)
    fix = fix_of(driver_id, second=5)
    upsert([fix])
    assert load_shown([driver_id, FAR_AWAY]) == {driver_id: fix}
    get_user_model().objects.filter(pk=driver_id).update(is_active=False)
    assert load_page(0) == []
    assert load_shown([driver_id]) == {}
    assert load_names([driver_id]) == {}


def test_names_are_of_users_who_exist(database):
    (driver_id,) = drivers(1)
    assert load_names([driver_id, FAR_AWAY]) == {driver_id: "driver0@example.com"}
