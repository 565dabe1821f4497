from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone

from tracking.checks import check_deployment, check_settings
from tracking.grants import end_grant, open_grant
from tracking.models import WatchGrant
from tracking.permissions import Window, granted, may_publish, may_watch, staff_only
from tracking.protocol import NotYet

HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)
LATER = datetime(2999, 1, 1, tzinfo=UTC)
EARLIER = datetime(2000, 1, 1, tzinfo=UTC)


def until_later(user, driver_id):
    return LATER


async def until_later_async(user, driver_id):
    return LATER


def until_earlier(user, driver_id):
    return EARLIER


def until_no_zone(user, driver_id):
    return datetime(2999, 1, 1)


def use(settings, policy):
    path = f"{policy.__module__}.{policy.__name__}"
    settings.TRACKING = {"WATCH_POLICY": path, "PUBLISH_POLICY": path}


def user(**attributes):
    return get_user_model()(pk=22, **attributes)


# Policies that return an end time


@pytest.mark.parametrize("policy", [until_later, until_later_async])
async def test_time_that_a_policy_returns_is_passed_on(settings, policy):
    use(settings, policy)
    assert await may_watch(user(), 19) == LATER


async def test_time_that_has_passed_is_a_no(settings):
    use(settings, until_earlier)
    assert await may_watch(user(), 19) is False
    assert await may_publish(user(), 19) is False


async def test_publishing_is_a_matter_of_yes_and_no(settings):
    use(settings, until_later)
    assert await may_publish(user(), 19) is True


async def test_permission_ends_exactly_at_its_time(settings, monkeypatch):
    use(settings, until_later)
    monkeypatch.setattr("django.utils.timezone.now", lambda: LATER - MICROSECOND)
    assert await may_watch(user(), 19) == LATER
    monkeypatch.setattr("django.utils.timezone.now", lambda: LATER)
    assert await may_watch(user(), 19) is False


async def test_time_without_a_zone_is_an_error_and_not_a_yes(settings):
    use(settings, until_no_zone)
    with pytest.raises(TypeError, match="naive"):
        await may_watch(user(), 19)


# Staff only


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"is_staff": True, "is_superuser": True}, True),
        ({"is_staff": True}, False),
        ({"is_superuser": True}, False),
        ({}, False),
        ({"role": "dispatcher"}, False),
    ],
)
@pytest.mark.django_db(transaction=True)
async def test_staff_only_lets_nobody_else_watch(settings, attributes, expected):
    use(settings, staff_only)
    assert await may_watch(user(**attributes), 19) is expected


async def test_staff_only_refuses_a_driver_itself(settings):
    use(settings, staff_only)
    assert await may_watch(user(role="driver"), 22) is False


# Granted


@pytest.fixture
def people(db):
    """Return a watcher and two drivers."""
    users = get_user_model().objects
    return (
        users.create_user(email="rider@example.com"),
        users.create_user(email="driver@example.com", role="driver"),
        users.create_user(email="other@example.com", role="driver"),
    )


@pytest.fixture
def now():
    return timezone.now()


def test_without_a_grant_nobody_else_watches(people, django_assert_num_queries):
    watcher, driver, _ = people
    with django_assert_num_queries(1):
        assert granted(watcher, driver.pk) is False


@pytest.mark.parametrize(
    ("attributes", "driver_id"),
    [({"is_staff": True, "is_superuser": True}, 19), ({"role": "driver"}, 22)],
)
def test_staff_and_the_driver_itself_need_no_grant_and_no_query(attributes, driver_id):
    assert granted(user(**attributes), driver_id) is True


def test_live_grant_permits_until_it_ends(people, now, django_assert_num_queries):
    watcher, driver, _ = people
    open_grant(driver=driver, watcher=watcher, ends_at=now + HOUR)
    with django_assert_num_queries(1):
        assert granted(watcher, driver.pk).until == now + HOUR


def test_of_several_live_grants_the_last_to_end_counts(people, now):
    watcher, driver, _ = people
    for hours in (1, 3, 2):
        open_grant(driver=driver, watcher=watcher, ends_at=now + hours * HOUR)
    assert granted(watcher, driver.pk).until == now + 3 * HOUR


def test_staff_without_the_permission_to_view_locations_needs_a_grant(people, now):
    watcher, driver, _ = people
    watcher.is_staff = True
    watcher.save()
    assert granted(watcher, driver.pk) is False
    permission = Permission.objects.get(codename="view_driverlocation")
    watcher.user_permissions.add(permission)
    assert granted(get_user_model().objects.get(pk=watcher.pk), driver.pk) is True


def test_grant_shows_what_was_recorded_from_shortly_before_its_start(people, now, settings):
    settings.TRACKING = {"GRANT_LEAD_TIME": 60}
    watcher, driver, _ = people
    open_grant(driver=driver, watcher=watcher, starts_at=now - HOUR, ends_at=now + HOUR)
    open_grant(driver=driver, watcher=watcher, ends_at=now + 2 * HOUR)
    lead = timedelta(seconds=60)
    assert granted(watcher, driver.pk) == Window(now - HOUR - lead, now + 2 * HOUR)


def test_grant_is_for_one_watcher_and_one_driver(people, now):
    watcher, driver, other = people
    open_grant(driver=driver, watcher=watcher, ends_at=now + HOUR)
    assert granted(watcher, other.pk) is False
    assert granted(other, driver.pk) is False
    assert granted(driver, watcher.pk) is False


def test_grant_for_the_future_does_not_open_early(people, now, monkeypatch):
    watcher, driver, _ = people
    grant = open_grant(driver=driver, watcher=watcher, starts_at=now + HOUR, ends_at=now + 2 * HOUR)
    monkeypatch.setattr("django.utils.timezone.now", lambda: grant.starts_at - MICROSECOND)
    with pytest.raises(NotYet):
        granted(watcher, driver.pk)
    monkeypatch.setattr("django.utils.timezone.now", lambda: grant.starts_at)
    assert granted(watcher, driver.pk).until == grant.ends_at


@pytest.mark.parametrize(("minutes", "soon"), [(1, True), (14.9, True), (15.1, False)])
def test_watcher_who_comes_shortly_before_the_start_is_asked_to_come_back(
    people, now, minutes, soon
):
    watcher, driver, _ = people
    starts_at = now + timedelta(minutes=minutes)
    open_grant(driver=driver, watcher=watcher, starts_at=starts_at, ends_at=starts_at + HOUR)
    if soon:
        with pytest.raises(NotYet):
            granted(watcher, driver.pk)
    else:
        assert granted(watcher, driver.pk) is False


def test_future_grant_does_not_prolong_a_live_one(people, now):
    watcher, driver, _ = people
    open_grant(driver=driver, watcher=watcher, ends_at=now + HOUR)
    open_grant(driver=driver, watcher=watcher, starts_at=now + HOUR, ends_at=now + 2 * HOUR)
    assert granted(watcher, driver.pk).until == now + HOUR


def test_grant_is_over_exactly_when_it_ends(people, now, monkeypatch):
    watcher, driver, _ = people
    grant = open_grant(driver=driver, watcher=watcher, ends_at=now + HOUR)
    monkeypatch.setattr("django.utils.timezone.now", lambda: grant.ends_at - MICROSECOND)
    assert granted(watcher, driver.pk).until == grant.ends_at
    monkeypatch.setattr("django.utils.timezone.now", lambda: grant.ends_at)
    assert granted(watcher, driver.pk) is False


def test_grant_is_over_when_it_was_ended_or_deleted(people, now):
    watcher, driver, other = people
    end_grant(open_grant(driver=driver, watcher=watcher, ends_at=now + HOUR))
    assert granted(watcher, driver.pk) is False
    open_grant(driver=other, watcher=watcher, ends_at=now + HOUR).delete()
    assert granted(watcher, other.pk) is False


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_the_projects_time_zone_does_not_matter(people, now, settings, zone):
    settings.TIME_ZONE = zone
    watcher, driver, _ = people
    open_grant(driver=driver, watcher=watcher, ends_at=now + HOUR)
    assert granted(watcher, driver.pk).until == now + HOUR
    WatchGrant.objects.update(starts_at=now - HOUR, ends_at=now)
    assert granted(watcher, driver.pk) is False


@pytest.mark.django_db(transaction=True)
async def test_granted_is_asked_in_a_thread_as_the_watch_policy(settings):
    use(settings, granted)
    users = get_user_model().objects
    watcher = await users.acreate(email="rider@example.com")
    driver = await users.acreate(email="driver@example.com", role="driver")
    assert await may_watch(watcher, driver.pk) is False
    grant = await WatchGrant.objects.acreate(
        driver=driver, watcher=watcher, ends_at=timezone.now() + HOUR
    )
    assert (await may_watch(watcher, driver.pk)).until == grant.ends_at


# The check


def test_deployment_check_warns_of_the_open_policy_and_names_a_better_one(settings):
    settings.TRACKING = {}
    [warning] = check_deployment()
    assert warning.id == "tracking.W001"
    assert not warning.is_serious()
    assert "tracking.permissions.granted" in warning.hint


@pytest.mark.parametrize("policy", [granted, staff_only, until_later])
def test_checks_are_content_with_another_policy(settings, policy):
    settings.TRACKING = {"WATCH_POLICY": f"{policy.__module__}.{policy.__name__}"}
    assert check_deployment() == []
    assert check_settings() == []
