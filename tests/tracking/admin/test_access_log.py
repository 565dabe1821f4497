"""The audit trail in the admin."""

import re
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from tracking.models import LocationAccess

from .history import LOOKS, text_of


def test_access_log_shows_the_window_and_cuts_the_purpose(admin, jonh):
    since = datetime(2026, 11, 26, 22, tzinfo=UTC)
    LocationAccess.objects.create(
        at=timezone.now(),
        way="track",
        viewer=jonh,
        driver=jonh,
        since=since,
        until=since + timedelta(days=1),
        purpose="<b>" + "x" * 100,
    )
    LocationAccess.objects.create(
        at=timezone.now(), way="past", viewer=jonh, since=since, until=since
    )
    page = text_of(admin.get(LOOKS))
    [window, moment] = re.findall(r'<td class="field-window">(.*?)</td>', page)[::-1]
    assert re.findall(r">([^<]+)</time>", window) == ["2026-11-26 22:00", "2026-11-27 22:00"]
    assert re.findall(r">([^<]+)</time>", moment) == ["2026-11-26 22:00"]
    [cut] = re.findall(r'<span title="([^"]*)">([^<]*)</span>', page)
    assert cut == (f"&lt;b&gt;{'x' * 100}", f"&lt;b&gt;{'x' * 56}…")


def test_access_log_is_searched_by_purpose_and_filtered_by_way(admin, jonh):
    for way, purpose in (("track", "Fare T-7"), ("export", "by request"), ("admin", "")):
        LocationAccess.objects.create(at=timezone.now(), way=way, viewer=jonh, purpose=purpose)
    found = admin.get(LOOKS, {"q": "fare t-7"}).context["cl"].result_list
    assert [look.way for look in found] == ["track"]
    found = admin.get(LOOKS, {"way__exact": "export"}).context["cl"].result_list
    assert [look.purpose for look in found] == ["by request"]
