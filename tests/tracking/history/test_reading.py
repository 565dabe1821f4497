"""Reading hot and packed fixes as one."""

import pytest

from tracking.history import reading
from tracking.history.packer import pack_day
from tracking.history.partitions import DAY, day_of
from tracking.history.reading import count_by_hour, read
from tracking.history.writer import HistorySink
from tracking.pipeline.rows import upsert

from ..rows import drivers
from .test_writer import NOW, fix_at

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgresql"]),
    pytest.mark.usefixtures("database"),
]

# Four days and more ago.
OLD = 5 * 86_400
WINDOW = (NOW - 6 * DAY, NOW)


@pytest.fixture
def driver():
    (driver,) = drivers(1)
    fixes = [fix_at(driver, OLD - second) for second in range(50)]
    upsert([fixes[-1]], [HistorySink()], {driver: fixes})
    return driver


def pack():
    for day in {day_of(fix_at(1, OLD - second).recorded_at) for second in (0, 50)}:
        assert pack_day(day).is_done


@pytest.mark.parametrize("query", ["hot_rows", "segments"])
def test_a_day_that_is_packed_between_the_two_queries_is_read_whole(driver, query, monkeypatch):
    function = getattr(reading, query)

    def after_packing(*args):
        if args[1] != WINDOW:
            monkeypatch.setattr(reading, query, function)
            pack()
        return function(*args)

    monkeypatch.setattr(reading, query, after_packing)
    assert sum(len(fixes) for fixes in read(driver, *WINDOW)) == 50


def test_hours_are_counted_hot_and_packed_alike(driver):
    hot = count_by_hour(driver, *WINDOW)
    assert sum(hour.fixes for hour in hot) == 50
    pack()
    assert count_by_hour(driver, *WINDOW) == hot
