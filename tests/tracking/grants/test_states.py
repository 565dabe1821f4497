import pytest
from django.contrib.auth import get_user_model
from django.db import connections, router

from tracking.grants import end_grant
from tracking.models import WatchGrant

from .times import HOUR, MICROSECOND, NOON

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


@pytest.mark.parametrize(
    ("at", "state"),
    [
        (NOON - MICROSECOND, "future"),
        (NOON, "live"),
        (NOON + HOUR - MICROSECOND, "live"),
        (NOON + HOUR, "expired"),
    ],
)
def test_grant_is_live_from_its_start_until_just_before_its_end(grant, at, state):
    assert grant.state_at(at) == state
    for candidate in WatchGrant.State:
        assert WatchGrant.objects.in_state(candidate, at).exists() is (candidate == state)
    assert WatchGrant.objects.live(at).exists() is (state == "live")


@pytest.mark.parametrize("at", [NOON - HOUR, NOON, NOON + 2 * HOUR])
def test_ended_grant_is_ended_at_any_time(grant, at):
    end_grant(grant)
    assert grant.state_at(at) == "ended"
    assert WatchGrant.objects.in_state(WatchGrant.State.ENDED, at).get() == grant
    assert not WatchGrant.objects.live(at).exists()


@pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])
def test_the_policys_question_is_answered_from_the_index(database, trip):
    watchers = get_user_model().objects.bulk_create(
        get_user_model()(email=f"rider{number}@example.com") for number in range(2_000)
    )
    WatchGrant.objects.bulk_create(
        WatchGrant(
            driver_id=trip["driver"],
            watcher_id=watcher.pk,
            starts_at=NOON,
            ends_at=NOON + HOUR,
            ended_at=ended_at,
        )
        for watcher in watchers
        for ended_at in (NOON, NOON, None)
    )
    connection = connections[router.db_for_read(WatchGrant)]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    grants = WatchGrant.objects.filter(watcher=watchers[9].pk, driver=trip["driver"]).live(NOON)
    plan = grants.order_by("-ends_at").explain()
    assert "tracking_grant_not_ended" in plan
    assert not any(step in plan for step in ("Seq Scan", "SCAN", "Sort", "TEMP B-TREE")), plan
