"""Zones in the admin."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tracking.admin import zones
from tracking.models import DriverLocation, LocationAccess, Zone, ZoneVisit

from .history import permit, text_of
from .people import errors_of, found, new_user, page_of, plain

pytestmark = pytest.mark.django_db

ZONES = "/admin/tracking/zone/"
CIRCLE = {"kind": "circle", "latitude": "60.3172", "longitude": "24.9633", "radius": "1500"}
CORNERS = "60, 24.9\n60, 25\n60.1, 25"


def add(client, **fields):
    data = {"name": "Airport", "is_active": "on", **fields}
    return client.post(f"{ZONES}add/", data)


@pytest.fixture
def airport(db):
    return Zone.objects.create(name="Airport", latitude=60.3172, longitude=24.9633, radius=1500)


@pytest.fixture
def yard(db):
    corners = [[60, 24.9], [60, 25], [60.1, 25]]
    return Zone.objects.create(name="Yard", kind="polygon", polygon=corners, dwell_after=300)


def visit(zone, driver, *, minutes=0, **times):
    entered_at = timezone.now() - timedelta(minutes=minutes)
    return ZoneVisit.objects.create(zone=zone, driver=driver, entered_at=entered_at, **times)


def test_circle_is_added(admin):
    # What the other kind's field contains is not looked at.
    assert add(admin, **CIRCLE, polygon="nonsense", dwell_after="600").status_code == 302
    zone = Zone.objects.get()
    assert (zone.kind, zone.latitude, zone.longitude) == ("circle", 60.3172, 24.9633)
    assert (zone.radius, zone.polygon, zone.dwell_after) == (1500, [], 600)
    assert zone.is_active
    assert zone.created_by.name == "Admin"


def test_polygon_is_added(admin):
    answer = add(admin, kind="polygon", polygon=CORNERS, latitude="abc", radius="-1")
    assert answer.status_code == 302
    zone = Zone.objects.get()
    assert (zone.kind, zone.latitude, zone.longitude, zone.radius) == ("polygon", None, None, None)
    assert zone.polygon == [[60.0, 24.9], [60.0, 25.0], [60.1, 25.0]]


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"kind": "polygon"}, {"polygon": ["Draw the polygon on the map, or write its corners."]}),
        (
            {"kind": "polygon", "polygon": "1, 2"},
            {"polygon": ["A polygon has at least 3 corners."]},
        ),
        (
            {"kind": "circle", "latitude": "60", "longitude": "25"},
            {"radius": ["A circle has a centre and a radius."]},
        ),
        (
            CIRCLE | {"radius": "5"},
            {"radius": ["Ensure this value is greater than or equal to 10."]},
        ),
        (
            CIRCLE | {"latitude": "95"},
            {"latitude": ["Ensure this value is less than or equal to 90."]},
        ),
        (CIRCLE | {"longitude": "x"}, {"longitude": ["Enter a number."]}),
        (CIRCLE | {"name": ""}, {"name": ["This field is required."]}),
        (
            {"kind": "line"},
            {"kind": ["Select a valid choice. line is not one of the available choices."]},
        ),
        ({}, {"kind": ["This field is required."]}),
    ],
)
def test_what_is_wrong_is_said_at_its_field(admin, fields, errors):
    assert errors_of(add(admin, **fields)) == errors
    assert not Zone.objects.exists()


def test_kind_is_changed_and_the_other_fields_are_emptied(admin, airport):
    data = {"name": "Airport", "kind": "polygon", "polygon": CORNERS, "latitude": "60.3172"}
    assert admin.post(page_of(ZONES, airport), data).status_code == 302
    airport.refresh_from_db()
    assert (airport.kind, airport.latitude, len(airport.polygon)) == ("polygon", None, 3)
    assert not airport.is_active
    data = {"name": "Airport", **CIRCLE, "polygon": CORNERS}
    assert admin.post(page_of(ZONES, airport), data).status_code == 302
    airport.refresh_from_db()
    assert (airport.kind, airport.radius, airport.polygon) == ("circle", 1500, [])


def test_list_shows_shape_state_and_drivers_inside(admin, airport, yard, jonh):
    visit(airport, jonh)
    visit(airport, new_user("Mia"))
    visit(airport, new_user("Jon"), exited_at=timezone.now())
    Zone.objects.filter(pk=yard.pk).update(is_active=False)
    text = plain(admin.get(ZONES))
    assert "Airport circle, 1,500 m active 2 –" in text
    assert "Yard polygon, 3 corners off – 5 min" in text
    assert found(admin.get(ZONES, {"q": "YARD"})) == [yard]
    assert found(admin.get(ZONES, {"is_active__exact": "1"})) == [airport]
    assert found(admin.get(ZONES, {"o": "4"})) == [yard, airport]


def test_list_takes_the_same_number_of_queries_for_more_zones(
    admin, airport, django_assert_max_num_queries
):
    for number in range(20):
        Zone.objects.create(name=f"Depot {number}", latitude=1, longitude=2, radius=100)
    with django_assert_max_num_queries(7):
        assert len(found(admin.get(ZONES))) == 21


def test_page_shows_who_is_inside_and_the_last_visits(admin, yard, jonh):
    mia = new_user("Mia")
    now = timezone.now()
    visit(yard, jonh, minutes=30, dwelled_at=now)
    visit(yard, mia, minutes=90, exited_at=now - timedelta(minutes=60))
    text = plain(admin.get(page_of(ZONES, yard)))
    inside, last = text.split("Last visits")
    assert "Jonh" in inside.split("Inside now")[1]
    assert "Mia" not in inside
    assert "30 min" in last.split("Mia")[1]
    # A look at where drivers are.
    looks = LocationAccess.objects.filter(way="admin")
    assert {look.driver_id for look in looks} == {jonh.pk, mia.pk}


def test_page_without_visits_says_so(admin, airport):
    text = plain(admin.get(page_of(ZONES, airport)))
    assert "Nobody is inside." in text
    assert "No visits yet." in text
    assert not LocationAccess.objects.exists()


def test_page_has_the_zone_and_the_others_for_its_map(admin, airport, yard):
    page = admin.get(page_of(ZONES, yard))
    context = page.context["zone_map"]
    assert context["shape"] == {"name": "Yard", "corners": [[60, 24.9], [60, 25], [60.1, 25]]}
    assert [other["name"] for other in context["others"]] == ["Airport"]
    assert "60, 24.9\n60, 25\n60.1, 25" in text_of(page)


def test_map_has_no_more_corners_of_other_zones_than_a_page_can_carry(admin, yard, monkeypatch):
    monkeypatch.setattr(zones, "MAX_CORNERS", 7)
    for number in range(3):
        Zone.objects.create(name=f"{number}", kind="polygon", polygon=yard.polygon)
    others = admin.get(page_of(ZONES, yard)).context["zone_map"]["others"]
    assert [other["name"] for other in others] == ["2", "1"]


def test_map_of_the_first_zone_begins_roughly_where_drivers_are(admin, jonh):
    assert admin.get(f"{ZONES}add/").context["zone_map"]["start"] is None
    now = timezone.now()
    DriverLocation.objects.create(
        driver=jonh, latitude=60.1699, longitude=24.9384, recorded_at=now, received_at=now
    )
    assert admin.get(f"{ZONES}add/").context["zone_map"]["start"] == [60.2, 24.9]


def test_viewer_sees_zones_and_no_visits(staff, yard, jonh):
    permit(staff.user, "view_zone")
    visit(yard, jonh)
    page = staff.get(page_of(ZONES, yard))
    assert page.status_code == 200
    assert not page.context["zone_map"]["may_edit"]
    text = plain(page)
    assert "Jonh" not in text
    assert "Add corner" not in text
    assert staff.post(page_of(ZONES, yard), {"name": "Mine"}).status_code == 403
    permit(staff.user, "view_zonevisit")
    assert "Jonh" in plain(staff.get(page_of(ZONES, yard)))


def test_zone_is_deleted_after_a_confirmation_that_counts_visits(admin, yard, jonh):
    for minutes in range(3):
        visit(yard, jonh, minutes=minutes + 1, exited_at=timezone.now())
    text = plain(admin.get(f"{ZONES}{yard.pk}/delete/"))
    assert "Are you sure" in text
    assert "Visits to zones: 3" in text
    assert admin.post(f"{ZONES}{yard.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Zone.objects.exists()
    assert not ZoneVisit.objects.exists()


def test_zone_is_deleted_with_its_permission_alone(staff, yard):
    permit(staff.user, "view_zone")
    assert staff.post(f"{ZONES}{yard.pk}/delete/", {"post": "yes"}).status_code == 403
    permit(staff.user, "delete_zone")
    assert staff.post(f"{ZONES}{yard.pk}/delete/", {"post": "yes"}).status_code == 302
