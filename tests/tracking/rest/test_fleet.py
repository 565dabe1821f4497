"""The locations of all drivers over HTTP, for staff."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone

from tracking.models import DriverLocation
from tracking.protocol import InvalidMessage
from tracking.rest.fleet import within

from ..fakes import NOON
from .problems import problem

pytestmark = pytest.mark.django_db(transaction=True)

FLEET = "/driver/locations/"

User = get_user_model()


@pytest.fixture
def staff():
    return User.objects.create_superuser(email="admin@example.com", password="x").pk


def place(*points):
    """Store a driver at each (longitude, latitude) and return their ids."""
    drivers = User.objects.bulk_create(
        User(email=f"{number}@example.com", role="driver") for number in range(len(points))
    )
    DriverLocation.objects.bulk_create(
        DriverLocation(
            driver=driver,
            longitude=longitude,
            latitude=latitude,
            recorded_at=NOON,
            received_at=NOON,
        )
        for driver, (longitude, latitude) in zip(drivers, points, strict=True)
    )
    return [driver.pk for driver in drivers]


def ids(response):
    assert response.status_code == 200, response.content
    return [found["userId"] for found in response.json()["results"]]


def test_entries_are_details_and_the_answer_is_for_no_cache(rest, staff):
    (driver,) = place((0.9871, -1.4354))
    now = timezone.now()
    DriverLocation.objects.update(recorded_at=now, received_at=now)
    response = rest("GET", FLEET, staff)
    assert response["Cache-Control"] == "no-store"
    (found,) = response.json()["results"]
    assert found == rest("GET", f"/driver/{driver}/location/", staff).json()
    assert found["status"] == "live"


def test_pages_lead_through_all_drivers(rest, staff):
    everybody = place(*[(0, 0)] * 5)
    page = rest("GET", f"{FLEET}?page_size=2&bbox=-1,-1,1,1", staff)
    seen = ids(page)
    while following := page.json()["next"]:
        page = rest("GET", following.removeprefix("http://testserver"), staff)
        seen += ids(page)
    assert seen == everybody


def test_page_that_does_not_exist_is_answered_404(rest, staff):
    problem(rest("GET", f"{FLEET}?cursor=x", staff), 404, "not_found")


@pytest.mark.parametrize(
    ("bbox", "found"),
    [
        ("-10,-10,10,10", [0]),
        ("0,0,0,0", [0]),
        ("-180,-90,180,90", [0, 1, 2, 3]),
        ("170,-20,-170,20", [1, 2]),
        ("170,-20,180,20", [1]),
        ("-180,-20,-170,20", [2]),
        ("179.5,16,-179.5,18", []),
        ("10,49.5,10,90", [3]),
        ("170,-20,190,20", [1, 2]),
        ("-190,-20,-170,20", [1, 2]),
        ("350,-20,380,60", [0, 3]),
        ("-500,-90,500,90", [0, 1, 2, 3]),
    ],
)
def test_bbox_finds_the_drivers_in_it_across_the_antimeridian_too(rest, staff, bbox, found):
    everybody = place((0, 0), (179, -17), (-179, 17), (10, 50))
    assert ids(rest("GET", f"{FLEET}?bbox={bbox}", staff)) == [everybody[n] for n in found]


@pytest.mark.parametrize(
    "bbox",
    ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "nan,0,1,1", "0,0,inf,1", "0,-91,0,1", "0,1,1,0"],
)
def test_bbox_that_means_nothing_is_answered_400(rest, staff, bbox):
    assert "bbox" in problem(rest("GET", f"{FLEET}?bbox={bbox}", staff), 400, "invalid_message")


def test_poles_and_the_antimeridian_belong_to_the_world():
    within("-180,-90,180,90")
    with pytest.raises(InvalidMessage):
        within("-180,-90.0000001,180,90")


def test_only_staff_who_may_see_locations_lists_them(rest, rider):
    problem(rest("GET", FLEET, rider), 403, "forbidden")
    User.objects.filter(pk=rider).update(is_staff=True)
    problem(rest("GET", FLEET, rider), 403, "forbidden")
    User.objects.get(pk=rider).user_permissions.add(
        Permission.objects.get(codename="view_driverlocation")
    )
    assert ids(rest("GET", FLEET, rider)) == []
    User.objects.filter(pk=rider).update(is_staff=False)
    problem(rest("GET", FLEET, rider), 403, "forbidden")


def test_many_drivers_take_one_query_and_one_for_the_caller(rest, staff, django_assert_num_queries):
    place(*[(0, 0)] * 500)
    rest("GET", FLEET, staff)  # The audit trail records only the first look within ten minutes.
    with django_assert_num_queries(2):
        assert len(ids(rest("GET", f"{FLEET}?page_size=1000", staff))) == 500


def test_deactivated_drivers_are_not_listed(rest, staff):
    here, gone = place((1, 2), (3, 4))
    User.objects.filter(pk=gone).update(is_active=False)
    assert ids(rest("GET", FLEET, staff)) == [here]
    assert ids(rest("GET", f"{FLEET}?bbox=0,0,10,10", staff)) == [here]
