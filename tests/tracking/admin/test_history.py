"""A driver's day in the admin."""

import html
import json
import re
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.utils import timezone

from tracking.admin import day as day_module
from tracking.admin.cells import duration
from tracking.admin.day import neighbours, offsets, read_day
from tracking.admin.day_page import moment
from tracking.history.packer import pack_day
from tracking.history.packing import pack
from tracking.history.partitions import create_days, day_of
from tracking.models import HistoryFix, HistorySegment
from tracking.rest.windows import Window, day_window

from .. import no_urls
from ..rows import drivers
from .history import LOCATIONS, at, day_ago, day_path, drive, fix, locate, looks, permit, text_of

HELSINKI = ZoneInfo("Europe/Helsinki")

User = get_user_model()


def track_of(response):
    """Return the data of the page's script."""
    [data] = re.findall(
        r'<script id="history-track" type="application/json">(.*?)</script>',
        text_of(response),
        re.DOTALL,
    )
    return json.loads(data)


def facts_of(response):
    page = text_of(response)
    return dict(re.findall(r"<dt>([\w ]+)</dt><dd><bdi>(.*?)</bdi></dd>", page))


# The links


def test_each_row_leads_to_the_day_of_its_last_location(admin, jonh):
    locate(jonh, datetime(2026, 11, 26, 22, 30, tzinfo=UTC))
    with timezone.override(HELSINKI):
        page = text_of(admin.get(LOCATIONS))
    link = f"{day_path(jonh)}?date=2026-11-27&amp;tz=Europe%2FHelsinki"
    assert f'<a href="{link}" aria-label="Show the day of Jonh">Day</a>' in page


def test_page_of_a_location_leads_to_the_day(admin, jonh):
    locate(jonh, datetime(2026, 11, 26, 22, 30, tzinfo=UTC))
    assert f"{day_path(jonh)}?date=2026-11-26" in text_of(
        admin.get(f"{LOCATIONS}{jonh.pk}/change/")
    )


def test_day_needs_the_permission_to_view_the_history(staff, jonh):
    locate(jonh, at(day_ago(), 12))
    path = day_path(jonh, date=day_ago())
    assert "/day/" not in text_of(staff.get(LOCATIONS))
    assert "/day/" not in text_of(staff.get(f"{LOCATIONS}{jonh.pk}/change/"))
    assert staff.get(path).status_code == 403
    assert looks() == []
    permit(staff.user, "view_historyfix")
    assert "/day/" in text_of(staff.get(LOCATIONS))
    assert staff.get(path).status_code == 200


def test_strangers_are_sent_to_the_log_in_page(client, jonh):
    response = client.get(day_path(jonh, date=day_ago()))
    assert response.status_code == 302
    assert "/login/" in response.url


@pytest.mark.parametrize("key", ["0", "-1", "x", "999999", "9" * 30, "1_2F2"])
def test_day_of_no_driver_is_not_found(admin, key):
    assert admin.get(f"{LOCATIONS}{key}/day/?date=2026-11-27").status_code == 404


def test_without_a_day_the_page_is_that_of_the_last_location(admin, jonh):
    locate(jonh, datetime(2026, 11, 26, 22, 30, tzinfo=UTC))
    response = admin.get(day_path(jonh, purpose="T-7"))
    assert response.url == day_path(jonh, date="2026-11-26", tz="UTC", purpose="T-7")
    assert looks() == []


def test_without_a_day_the_time_zone_of_the_query_decides(admin, jonh):
    locate(jonh, datetime(2026, 11, 26, 22, 30, tzinfo=UTC))
    response = admin.get(day_path(jonh, tz="Pacific%2FAuckland"))
    assert response.url == day_path(jonh, date="2026-11-27", tz="Pacific%2FAuckland")
    response = admin.get(day_path(jonh, tz="Mars"))
    assert response.url == day_path(jonh, date="2026-11-26", tz="Mars")


def test_driver_without_a_last_location_has_a_page(admin, jonh):
    response = admin.get(day_path(jonh))
    assert response.url == day_path(jonh, date=timezone.now().date(), tz="UTC")
    assert "Nothing is kept of this driver yet." in text_of(admin.get(response.url))


# The page


def test_page_sums_up_the_day(admin, jonh):
    day = day_ago()
    drive(jonh.pk, at(day, 8))
    HistoryFix.objects.bulk_create(
        fix(jonh.pk, at(day, 8, 5, 1) + timedelta(seconds=s), 3000) for s in range(0, 30 * 60, 20)
    )
    response = admin.get(day_path(jonh, date=day, tz="UTC"))
    facts = facts_of(response)
    assert facts["Distance"] == "3.0 km"
    assert facts["Time moving"] == "5 min"
    assert (facts["Stops"], facts["Gaps"], facts["Fixes"]) == ("1", "0", "151")
    page = text_of(response)
    assert '<a href="#08:0' in page
    assert "No gaps of a minute or more." in page


def test_gap_is_listed_with_its_length_and_distance(admin, jonh):
    day = day_ago()
    drive(jonh.pk, at(day, 8))
    drive(jonh.pk, at(day, 9))
    page = text_of(admin.get(day_path(jonh, date=day, tz="UTC")))
    assert '<a href="#08:05:00"><bdi dir="ltr">08:05–09:00</bdi></a> <bdi>55 min</bdi>' in page
    assert "3.0 km apart" in page


def test_data_of_the_page_are_the_fixes(admin, jonh):
    day = day_ago()
    first = at(day, 8)
    HistoryFix.objects.bulk_create(
        [
            fix(jonh.pk, first, accuracy=4.6, heading=359.0, battery=80, charging=True),
            fix(jonh.pk, first + timedelta(milliseconds=5250), 50, speed=None),
        ]
    )
    track = track_of(admin.get(day_path(jonh, date=day, tz="UTC")))
    assert track["start"] == at(day).timestamp() * 1000
    assert track["length"] == 86_400_000
    assert track["offsets"] == [[0, 0]]
    assert track["fixes"] == {
        "time": [8 * 3_600_000, 5250],
        "latitude": [-1_435_400, 450],
        "longitude": [987_100, 0],
        "accuracy": [5, None],
        "heading": [359, None],
        "speed": [36, None],
        "battery": [80, None],
        "charging": [1, None],
    }
    assert track["flagged"]["time"] == []


def test_implausible_fix_is_apart_from_the_track(admin, jonh):
    day = day_ago()
    drive(jonh.pk, at(day, 8))
    HistoryFix.objects.bulk_create([fix(jonh.pk, at(day, 8, 1, 2), 50_000)])
    response = admin.get(day_path(jonh, date=day, tz="UTC"))
    track = track_of(response)
    assert len(track["fixes"]["time"]) == 61
    assert track["flagged"]["flags"] == [1]
    assert "Show 1 implausible fix" in text_of(response)
    assert facts_of(response)["Distance"] == "3.0 km"


def test_day_of_simulated_fixes_alone_shows_them(admin, jonh):
    day = day_ago()
    HistoryFix.objects.bulk_create([fix(jonh.pk, at(day, 8), mock=True)])
    track = track_of(admin.get(day_path(jonh, date=day, tz="UTC")))
    assert track["fixes"]["time"] == track["flagged"]["time"] == [8 * 3_600_000]


def test_day_of_simulated_fixes_alone_is_shown_to_its_end(admin, jonh, monkeypatch):
    monkeypatch.setattr(day_module, "MAX_FLAGGED", 10)
    monkeypatch.setattr(day_module, "MAX_READ", 90)
    monkeypatch.setattr(day_module, "MAX_FIXES", 60)
    monkeypatch.setattr(day_module, "KEPT_EVERY", timedelta(minutes=10))
    day = day_ago()
    HistoryFix.objects.bulk_create(
        fix(jonh.pk, at(day, 8) + timedelta(minutes=minute), 100 * (minute % 7), mock=True)
        for minute in range(240)
    )
    response = admin.get(day_path(jonh, date=day, tz="UTC"))
    track = track_of(response)
    fixes, flagged = track["fixes"]["time"], track["flagged"]["time"]
    assert f"Show {len(flagged)} of 240 implausible fixes" in text_of(response)
    assert (len(fixes) <= 60, len(flagged) <= 10) == (True, True)
    assert fixes[0] == flagged[0] == 8 * 3_600_000
    assert sum(fixes) == (8 * 60 + 239) * 60_000
    assert sum(flagged) >= (8 * 60 + 210) * 60_000
    assert facts_of(response)["Fixes"] == "240"


def test_names_and_purposes_are_escaped(admin):
    driver = User.objects.create_user(email="a@example.com", name="</script><b>J", role="driver")
    drive(driver.pk, at(day_ago(), 8))
    page = text_of(admin.get(day_path(driver, date=day_ago(), purpose="<b>why")))
    assert "<b>J" not in page
    assert "<b>why" not in page
    assert "&lt;b&gt;J" in page


def test_zone_and_purpose_stay_in_the_links_to_other_days(admin, jonh):
    drive(jonh.pk, at(day_ago(2), 8))
    query = {"tz": "Europe%2FHelsinki", "purpose": "T-7"}
    page = html.unescape(text_of(admin.get(day_path(jonh, date=day_ago(2), **query))))
    for days in (1, 3):
        assert f'href="{day_path(jonh, date=day_ago(days), **query)}"' in page


def test_there_is_no_next_day_after_today(admin, jonh):
    page = text_of(admin.get(day_path(jonh, date=timezone.now().date(), tz="UTC")))
    assert 'rel="prev"' in page
    assert 'rel="next"' not in page


def test_empty_day_names_the_nearest_days_with_fixes(admin, jonh):
    for days in (9, 7, 3, 2):
        drive(jonh.pk, at(day_ago(days), 8))
    page = html.unescape(text_of(admin.get(day_path(jonh, date=day_ago(5), tz="UTC"))))
    assert "No fixes on this day" in page
    found = re.findall(r'<li><a href="[^"]*date=([\d-]+)[^"]*">', page)
    assert found == [str(day_ago(7)), str(day_ago(3))]
    assert "history-track" not in page


@pytest.mark.parametrize("is_packed", [False, True])
def test_nearest_day_is_found_that_begins_within_an_hour(admin, jonh, is_packed):
    """Check a time zone with half an hour, in which packed hours belong to two days."""
    day = day_ago(5)
    drive(jonh.pk, at(day, 0, 10, zone=ZoneInfo("Asia/Kolkata")))
    if is_packed:
        pack_day(day_ago(6))
        assert not HistoryFix.objects.exists()
    query = {"tz": "Asia%2FKolkata"}
    page = html.unescape(text_of(admin.get(day_path(jonh, date=day_ago(6), **query))))
    assert re.findall(r'<li><a href="[^"]*date=([\d-]+)[^"]*">', page) == [str(day)]


def test_day_beyond_the_retention_says_how_long_fixes_are_kept(admin, jonh):
    page = text_of(admin.get(day_path(jonh, date=day_ago(70), tz="UTC")))
    assert "Fixes are kept for 60 days." in page
    page = text_of(admin.get(day_path(jonh, date=day_ago(50), tz="UTC")))
    assert "Fixes are kept" not in page


def test_page_says_that_the_history_is_off(admin, jonh, settings):
    settings.TRACKING = settings.TRACKING | {"HISTORY": "off"}
    drive(jonh.pk, at(day_ago(), 8))
    response = admin.get(day_path(jonh, date=day_ago(), tz="UTC"))
    assert "The history is off, so no new fixes are kept." in text_of(response)
    assert track_of(response)["fixes"]["time"]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"date": "27.11.2026"}, "Enter a valid date."),
        ({"date": "1969-12-31"}, "Choose another day."),
        ({"date": "9999-12-31"}, "Choose another day."),
        ({"date": "2026-11-27", "tz": "Mars"}, "There is no such time zone."),
        ({"date": "2026-11-27", "tz": "../secret"}, "There is no such time zone."),
        ({"date": "2026-11-27", "tz": "Europe"}, "There is no such time zone."),
        ({"date": "2026-11-27", "tz": "localtime"}, "There is no such time zone."),
        ({"date": "2026-11-27", "purpose": "x" * 201}, "at most 200 characters"),
        ({"date": "2026-11-27", "purpose": "%00"}, "Null characters are not allowed."),
    ],
)
def test_bad_query_is_answered_in_words_and_no_look(admin, jonh, query, text):
    page = text_of(admin.get(day_path(jonh, **query)))
    assert text in page
    assert "history-track" not in page
    assert looks() == []


def test_each_view_is_recorded_with_its_window_and_purpose(admin, jonh):
    query = {"date": "2026-03-29", "tz": "Europe/Helsinki", "purpose": "T-7: fare"}
    for _ in range(2):
        admin.get(day_path(jonh, **query))
    since = datetime(2026, 3, 28, 22, tzinfo=UTC)
    look = ("track", jonh.pk, since, since + timedelta(hours=23), "T-7: fare")
    assert looks() == [look, look]


def test_downloads_are_of_the_same_window_and_purpose(admin, jonh):
    drive(jonh.pk, at(date(2026, 10, 24), 21, 30))
    query = {"date": "2026-10-25", "tz": "Europe/Helsinki", "purpose": "T-7"}
    page = html.unescape(text_of(admin.get(day_path(jonh, **query))))
    window = "from=2026-10-24T21%3A00%3A00Z&to=2026-10-25T22%3A00%3A00Z&purpose=T-7"
    for kind in ("gpx", "csv"):
        url = f"/driver/{jonh.pk}/track/?{window}&format={kind}"
        assert f'<a href="{url}">' in page
        assert admin.get(url).status_code == 200


def test_project_without_our_urls_has_no_downloads(admin, jonh, settings, monkeypatch):
    project = import_module(settings.ROOT_URLCONF)
    rest = [entry for entry in project.urlpatterns if entry.pattern.match("driver/") is None]
    monkeypatch.setattr(no_urls, "urlpatterns", rest)
    settings.ROOT_URLCONF = no_urls.__name__
    drive(jonh.pk, at(day_ago(), 8))
    page = text_of(admin.get(day_path(jonh, date=day_ago(), tz="UTC")))
    assert "history-track" in page
    assert "Download" not in page


def test_page_has_no_inline_script_or_style(admin, jonh):
    drive(jonh.pk, at(day_ago(), 8))
    page = text_of(admin.get(day_path(jonh, date=day_ago(), tz="UTC")))
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)
    scripts = re.findall(r"<script([^>]*)>", page)
    assert all("src=" in script or "application/json" in script for script in scripts)


# The data of a day


def in_window(driver_id, day, zone=UTC):
    return read_day(driver_id, day_window(day, zone))


def test_time_moving_leaves_out_stops_and_gaps_that_overlap():
    day = datetime(2026, 11, 27, tzinfo=UTC)

    def span(since, until):
        return day_module.Gap(day + timedelta(seconds=since), day + timedelta(seconds=until), 0, 0)

    fixes = [fix(1, day), fix(1, day + timedelta(seconds=1000))]
    pauses = [span(100, 300), span(200, 400), span(250, 260), span(900, 1000)]
    assert day_module._moving(fixes, pauses[:2], pauses[2:]) == 600
    assert day_module._moving(fixes, [], []) == 1000
    assert day_module._moving([], [], []) == 0


def test_long_track_is_thinned_but_keeps_its_times_and_totals(db, jonh, monkeypatch):
    monkeypatch.setattr(day_module, "MAX_FIXES", 40)
    monkeypatch.setattr(day_module, "KEPT_EVERY", timedelta(seconds=60))
    monkeypatch.setattr(day_module, "MAX_READ", 200)
    start = at(day_ago(), 8)
    drive(jonh.pk, start, seconds=1800)
    day = in_window(jonh.pk, day_ago())
    assert (day.count, day.flagged_count) == (361, 0)
    assert day.distance == pytest.approx(18_000, rel=0.01)
    times = [fix.recorded_at for fix in day.fixes]
    assert len(times) <= 40
    assert times[0] == start
    assert times[-1] == start + timedelta(seconds=1800)
    gaps = [after - before for before, after in pairwise(times)]
    assert max(gaps) <= timedelta(seconds=120)


def test_flagged_fixes_on_the_page_are_limited(db, jonh, monkeypatch):
    monkeypatch.setattr(day_module, "MAX_FLAGGED", 3)
    start = at(day_ago(), 8)
    HistoryFix.objects.bulk_create(
        fix(jonh.pk, start + timedelta(seconds=s), mock=True) for s in range(5)
    )
    day = in_window(jonh.pk, day_ago())
    assert (len(day.flagged), day.flagged_count) == (3, 5)


@pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])
def test_neighbours_are_found_among_hot_and_packed_fixes(database, django_assert_num_queries):
    jonh, other = drivers(2)
    base = at(date(2026, 11, 20))
    hot = [base - timedelta(days=3), base + timedelta(days=4)]
    fixes = [*(fix(jonh, time) for time in hot), fix(other, base)]
    create_days(HistoryFix, {day_of(row.recorded_at) for row in fixes})
    HistoryFix.objects.using(database).bulk_create(fixes)
    window = Window(base, base + timedelta(days=1))
    assert neighbours(jonh, window) == (hot[0], hot[1])
    packed = [base - timedelta(days=1, minutes=-5), base + timedelta(days=2, minutes=5)]
    create_days(HistorySegment, {day_of(time) for time in packed})
    for time in packed:
        hour = time.replace(minute=0)
        HistorySegment.objects.using(database).create(
            driver_id=jonh, hour=hour, first_at=time, count=1, data=pack([], hour)
        )
    with django_assert_num_queries(4, connection=connections[database]):
        assert neighbours(jonh, window) == (packed[0], packed[1])
    assert neighbours(other, Window(window.until, window.until + timedelta(days=1)))[1] is None


@pytest.mark.parametrize(
    ("day", "zone", "expected"),
    [
        ("2026-11-27", "Europe/Helsinki", [(0, 2)]),
        ("2026-03-29", "Europe/Helsinki", [(0, 2), (3, 3)]),
        ("2026-10-25", "Europe/Helsinki", [(0, 3), (4, 2)]),
        ("2026-10-04", "Australia/Lord_Howe", [(0, 10.5), (2, 11)]),
        # The clocks skip midnight.
        ("2026-09-06", "America/Santiago", [(0, -3)]),
        # They are set back at midnight: the day before has 25 hours.
        ("2026-04-04", "America/Santiago", [(0, -3), (24, -4)]),
    ],
)
def test_offsets_change_when_the_clocks_do(day, zone, expected):
    zone = ZoneInfo(zone)
    window = day_window(date.fromisoformat(day), zone)
    found = [
        ((time - window.since) / timedelta(hours=1), offset / timedelta(hours=1))
        for time, offset in offsets(window, zone)
    ]
    assert found == expected


def test_moment_has_an_offset_only_the_second_time():
    first = datetime(2026, 10, 25, 0, 30, 10, tzinfo=UTC)
    assert moment(first, HELSINKI) == "03:30:10"
    assert moment(first + timedelta(hours=1), HELSINKI) == "03:30:10+02:00"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (150, "2 min"),
        (3599, "1 h 0 min"),
        (5000, "1 h 23 min"),
    ],
)
def test_duration_has_two_units_at_most(seconds, text):
    assert duration(seconds) == text
