"""Reading hot and packed fixes as one."""

from datetime import UTC, datetime, timedelta

import pytest

from tracking.history import reading
from tracking.history.packer import pack_day
from tracking.history.packing import CorruptSegment
from tracking.history.pages import read_flagged
from tracking.history.partitions import DAY, day_of
from tracking.history.reading import count_by_hour, read, track, with_context
from tracking.history.rows import Span
from tracking.history.writer import HistorySink
from tracking.models import HistorySegment
from tracking.pipeline.rows import upsert

from ..rows import drivers
from .test_writer import NOW, fix_at
from .tracks import NOON, keep_hot, keep_packed, track_fix

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


def test_packed_hour_with_only_later_fixes_is_not_of_the_window():
    (driver,) = drivers(1)
    keep_packed(driver, [track_fix(0), track_fix(3600 + 1800)])
    half_past = NOON + timedelta(minutes=90)
    assert [hour for hour, *_ in count_by_hour(driver, NOON, half_past)] == [NOON]
    later = count_by_hour(driver, NOON, half_past + timedelta(seconds=1))
    assert [hour for hour, *_ in later] == [NOON, NOON + timedelta(hours=1)]


def test_all_times_of_python_may_be_asked_for(driver):
    everything = [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
    counts = count_by_hour(driver, *everything)
    assert len(list(track(driver, *everything))) == 50
    assert len(list(read_flagged(driver, counts, *everything))) == 50
    assert list(track(driver, *reversed(everything))) == []


@pytest.mark.parametrize("keep", [keep_hot, keep_packed])
@pytest.mark.parametrize(
    ("seconds", "begin", "end"),
    [
        ([], -300, 600),
        ([-10, 310], -300, 600),
        ([-7000, -3000, 1200, 7000], -3000, 1200.000001),
        # The hour in which the window ends has only a fix after it, or only fixes before.
        ([-4000, 200, 3500], -4000, 3500.000001),
        ([200, 3700], -300, 3700.000001),
        ([-86_400, 300 + 86_399], -86_400, 86_699.000001),
        ([-86_401, 300 + 86_400], -300, 600),
    ],
)
def test_context_reaches_to_the_next_fix_on_each_side(keep, seconds, begin, end):
    (driver,) = drivers(1)
    keep(driver, [track_fix(second) for second in seconds])
    window = Span(NOON, NOON + timedelta(seconds=300))
    expected = [NOON + timedelta(seconds=second) for second in (begin, end)]
    assert list(with_context(driver, window)) == expected


def test_a_damaged_hour_is_named_where_it_is_read_and_harms_no_other_hour():
    (driver,) = drivers(1)
    keep_packed(driver, [track_fix(hour * 3600 + 1800) for hour in range(3)])
    middle = NOON + timedelta(hours=1)
    HistorySegment.objects.filter(hour=middle).update(data=b"damaged")
    name = rf"driver {driver}, hour 2026-11-26T13:00:00\+00:00: "
    with pytest.raises(CorruptSegment, match=name):
        list(track(driver, middle, middle + timedelta(minutes=1)))
    margin = timedelta(minutes=10)
    for begin, end in (NOON, middle - margin), (middle + timedelta(hours=1) + margin, NOW):
        assert len(list(track(driver, begin, end))) == 1
