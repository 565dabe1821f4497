from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from tracking.grants import InvalidGrant, open_grant
from tracking.models import WatchGrant

from .times import HOUR, NOON, SECOND

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


def reasons(**arguments):
    with pytest.raises(InvalidGrant) as caught:
        open_grant(**arguments)
    assert not WatchGrant.objects.exists()
    return caught.value.reasons


def test_open_grant_stores_what_it_was_given(trip):
    starts_at = NOON + SECOND
    grant = open_grant(**trip, starts_at=starts_at, reference="trip 7")
    stored = WatchGrant.objects.get()
    assert stored == grant
    assert (stored.driver_id, stored.watcher_id) == (trip["driver"], trip["watcher"])
    assert (stored.starts_at, stored.ends_at, stored.ended_at) == (starts_at, NOON + HOUR, None)
    assert stored.reference == "trip 7"


def test_grant_starts_now_by_default(trip):
    assert open_grant(**trip).starts_at == NOON


def test_users_are_given_as_such_or_by_id(trip):
    users = get_user_model().objects
    by_id = open_grant(**trip)
    as_such = open_grant(
        driver=users.get(pk=trip["driver"]),
        watcher=users.get(pk=trip["watcher"]),
        ends_at=trip["ends_at"],
    )
    assert (as_such.driver, as_such.watcher) == (by_id.driver, by_id.watcher)


def test_time_of_another_zone_is_the_same_moment(trip):
    tokyo = timezone(timedelta(hours=9))
    grant = open_grant(**trip | {"ends_at": datetime(2026, 6, 1, 21, 30, tzinfo=tokyo)})
    grant.refresh_from_db()
    assert grant.ends_at == NOON + HOUR / 2
    assert grant.ends_at.tzinfo == UTC


@pytest.mark.parametrize("ends_at", [NOON, NOON - SECOND])
def test_grant_that_would_not_end_in_the_future_is_refused(trip, ends_at):
    found = reasons(**trip | {"ends_at": ends_at, "starts_at": NOON - HOUR})
    assert found == {"ends_at": ["A grant must end in the future."]}


@pytest.mark.parametrize("later", [timedelta(0), SECOND])
def test_grant_that_would_end_before_it_starts_is_refused(trip, later):
    found = reasons(**trip, starts_at=trip["ends_at"] + later)
    assert found == {"ends_at": ["A grant must end after it starts."]}


@pytest.mark.parametrize("field", ["starts_at", "ends_at"])
def test_time_without_a_zone_is_refused(trip, field):
    found = reasons(**trip | {field: datetime(2026, 6, 1, 12, 30)})
    assert found == {field: ["A time needs a time zone."]}


def test_driver_gets_no_grant_for_itself(trip):
    assert reasons(**trip | {"watcher": trip["driver"]}).keys() == {"watcher"}


@pytest.mark.parametrize("field", ["driver", "watcher"])
@pytest.mark.parametrize("nobody", [2**40, 2**70, -1, get_user_model()()])
def test_user_who_does_not_exist_is_refused_at_once(trip, field, nobody):
    assert reasons(**trip | {field: nobody}).keys() == {field}


def test_driver_who_may_not_publish_is_refused(trip):
    rider = get_user_model().objects.create_user(email="rider@example.com")
    assert reasons(**trip | {"driver": rider.pk}).keys() == {"driver"}


def only_mary(user, driver_id):
    return user.email == "mary@example.com" and get_user_model().objects.filter(pk=user.pk).exists()


def test_plain_publish_policy_sees_what_the_transaction_wrote(trip, settings):
    settings.TRACKING = settings.TRACKING | {"PUBLISH_POLICY": f"{__name__}.only_mary"}
    with transaction.atomic():
        get_user_model().objects.filter(email="mary@example.com").delete()
        mary = get_user_model().objects.create_user(email="mary@example.com", role="rider")
        assert open_grant(**trip | {"driver": mary}).driver_id == mary.pk


def test_reference_longer_than_its_column_is_refused(trip):
    assert reasons(**trip, reference="x" * 101).keys() == {"reference"}


def test_refusal_is_a_value_error_that_says_all_that_is_wrong(trip):
    wrong = trip | {"driver": 2**40, "ends_at": NOON}
    with pytest.raises(ValueError, match=r"^driver: .* no such user\. ends_at: .* future\.$"):
        open_grant(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [lambda grant: {"ends_at": grant.starts_at}, lambda grant: {"watcher_id": grant.driver_id}],
    ids=["ends as it starts", "driver to itself"],
)
def test_database_refuses_what_goes_around_the_function(grant, wrong):
    with pytest.raises(IntegrityError):
        WatchGrant.objects.update(**wrong(grant))


def test_opening_takes_one_query_for_each_user_and_one_for_the_grant(
    trip, django_assert_num_queries
):
    with transaction.atomic(), django_assert_num_queries(3):
        open_grant(**trip)
