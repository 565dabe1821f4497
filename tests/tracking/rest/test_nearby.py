"""The nearest free drivers over HTTP."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.tokens import access_token_for
from tracking import states, trips
from tracking.models import DriverLocation, LocationAccess

pytestmark = pytest.mark.django_db(transaction=True)

User = get_user_model()


@pytest.fixture
def new_driver():
    numbers = iter(range(1, 100))

    def new_driver(latitude, *, age=1, state="available", **fields):
        user = User.objects.create_user(email=f"d{next(numbers)}@example.com", role="driver")
        if state:
            states.set_state(user, "available", **fields)
            if state != "available":
                states.set_state(user, state)
        at = timezone.now() - timedelta(seconds=age)
        DriverLocation.objects.create(
            driver=user, latitude=latitude, longitude=0, recorded_at=at, received_at=at
        )
        return user.pk

    return new_driver


def caller(**fields):
    user = User.objects.create_user(email="asks@example.com", **fields)
    return user, Client(headers={"Authorization": f"Bearer {access_token_for(user)}"})


@pytest.fixture
def staff():
    user, client = caller(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_driverlocation"))
    return client


def search(client, **query):
    response = client.get("/driver/nearby/", {"lat": 0, "lon": 0, **query})
    assert response.status_code == 200, response.content
    return response.json()["results"]


def ids(found):
    return [each["userId"] for each in found]


def test_nearest_free_drivers_come_first(staff, new_driver):
    far, near = new_driver(0.02), new_driver(-0.01)
    first, second = search(staff)
    assert (first["userId"], first["bearing"], first["state"]) == (near, 180, "available")
    assert first["distance"] == pytest.approx(1112, abs=1)
    assert 1 <= first["age"] < 20
    assert first["eta"] is None
    assert first["status"] == "live"
    assert (second["userId"], second["bearing"]) == (far, 0)
    assert LocationAccess.objects.get().way == "search"


def test_only_free_and_contactable_drivers_are_found(staff, new_driver, transactional_db):
    free = new_driver(0.01)
    new_driver(0.01, state="reserved")
    new_driver(0.01, state="non_operational")
    new_driver(0.01, state=None)
    new_driver(0.01, age=3_600)
    taken = new_driver(0.01)
    trips.create(driver=taken)
    assert ids(search(staff)) == [free]


def test_filters(staff, new_driver):
    van = new_driver(0.03, vehicle_type="van")
    old, near = new_driver(0.02, age=20), new_driver(0.01)
    assert ids(search(staff, vehicle_type="van")) == [van]
    assert ids(search(staff, max_age=10)) == [near, van]
    assert ids(search(staff, radius=2_500)) == [near, old]
    assert ids(search(staff, count=1, order_by="eta")) == [near]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"lat": 91}, "lat"),
        ({"lon": "nan"}, "lon"),
        ({"count": 0}, "count"),
        ({"count": 101}, "count"),
        ({"radius": -1}, "radius"),
        ({"max_age": "x"}, "max_age"),
        ({"order_by": "name"}, "order_by"),
        ({"lat": [1, 2]}, "lat"),
    ],
)
def test_invalid_parameter_is_named(staff, query, parameter):
    response = staff.get("/driver/nearby/", {"lat": 0, "lon": 0, **query})
    assert response.status_code == 400
    assert response.json()["errors"][0]["parameter"] == parameter


def test_unknown_and_missing_parameters_are_refused(staff):
    assert staff.get("/driver/nearby/", {"lat": 0}).json()["errors"][0]["parameter"] == "lon"
    response = staff.get("/driver/nearby/", {"lat": 0, "lon": 0, "lng": 0})
    assert response.status_code == 400


def dispatchers(user):
    return user.role == "dispatcher"


async def nobody(user):
    return False


def test_policy_permits_others(settings, new_driver):
    driver = new_driver(0.01)
    _, client = caller(role="dispatcher")
    asked = {"lat": 0, "lon": 0}
    assert client.get("/driver/nearby/", asked).status_code == 403
    settings.TRACKING = settings.TRACKING | {"NEARBY_POLICY": f"{__name__}.nobody"}
    assert client.get("/driver/nearby/", asked).status_code == 403
    settings.TRACKING = settings.TRACKING | {"NEARBY_POLICY": f"{__name__}.dispatchers"}
    assert ids(search(client)) == [driver]


def test_by_time_without_an_event_loop_the_straight_line_is_a_guess(staff, new_driver):
    far, near = new_driver(0.02), new_driver(-0.01)
    found = search(staff, order_by="eta")
    assert ids(found) == [near, far]
    eta = found[0]["eta"]
    assert (eta["confidence"], eta["seconds"]) == ("low", round(1112 * 1.5 / 7))
    assert eta["distance"] == pytest.approx(1668, abs=1)
    assert eta["arrives_at"] > eta["computed_at"]
