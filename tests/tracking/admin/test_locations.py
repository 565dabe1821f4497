import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone

from tracking.admin.cells import time_ago
from tracking.models import DriverLocation

pytestmark = pytest.mark.django_db

LOCATIONS = "/admin/tracking/driverlocation/"
ROWS = 10_000

User = get_user_model()


def locate(name, *, age=0.0, latitude=-1.4354, longitude=0.9871):
    """Store a driver and its location of `age` seconds ago."""
    driver = User.objects.create_user(email=f"{name.lower()}@example.com", name=name, role="driver")
    recorded_at = timezone.now() - timedelta(seconds=age)
    return DriverLocation.objects.create(
        driver=driver,
        latitude=latitude,
        longitude=longitude,
        recorded_at=recorded_at,
        received_at=recorded_at,
    )


def names(response):
    assert response.status_code == 200
    return [location.driver.name for location in response.context["cl"].result_list]


def cell(response, column):
    """Return the text of one cell of the only row."""
    html = response.content.decode()
    [content] = re.findall(rf'<t[dh] class="field-{column}[^>]*>(.*?)</t[dh]>', html, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", content).split())


@pytest.fixture
def admin(client):
    client.force_login(User.objects.create_superuser(email="admin@staff.test", name="Admin"))
    return client


def test_row_shows_who_where_and_when(admin):
    locate("Jonh", age=125)
    response = admin.get(LOCATIONS)
    assert cell(response, "driver_identity") == "Jonh jonh@example.com"
    assert cell(response, "latitude_degrees") == "-1.4354"
    assert cell(response, "longitude_degrees") == "0.9871"
    assert cell(response, "status") == "offline"
    assert cell(response, "last_seen") == "2 min ago"


@pytest.mark.parametrize(
    ("latitude", "text"), [(0.0000001, "0.0000001"), (0.0, "0"), (-90.0, "-90"), (51.5, "51.5")]
)
def test_coordinates_are_written_as_on_the_wire(admin, latitude, text):
    locate("Jonh", latitude=latitude)
    assert cell(admin.get(LOCATIONS), "latitude_degrees") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-0.5, "0 s ago"),
        (12.9, "12 s ago"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (3600, "1 h ago"),
        (86399, "23 h ago"),
        (86400, "1 d ago"),
        (86400 * 400, "400 d ago"),
    ],
)
def test_last_seen_is_given_in_the_largest_whole_unit(seconds, text):
    assert time_ago(seconds) == text


def test_map_link_leads_to_the_place_without_a_referrer(admin):
    locate("Jonh", latitude=0.0000001, longitude=-180.0)
    html = admin.get(LOCATIONS).content.decode()
    url = "https://www.openstreetmap.org/?mlat=0.0000001&amp;mlon=-180#map=16/0.0000001/-180"
    [link] = re.findall(r'<a href="https:[^>]*>', html)
    assert f'href="{url}"' in link
    assert 'rel="noopener noreferrer"' in link
    assert 'aria-label="Show Jonh on a map"' in link


def test_map_link_follows_the_setting_and_is_escaped(admin, settings):
    settings.TRACKING = {"MAP_LINK_URL": 'https://maps.test/{z}?"q={latitude},{longitude}'}
    locate("Jonh")
    html = admin.get(LOCATIONS).content.decode()
    assert 'href="https://maps.test/{z}?&quot;q=-1.4354,0.9871"' in html


def test_the_live_map_is_one_click_away(admin):
    page = admin.get(LOCATIONS).content.decode()
    assert '<li><a href="/driver/fleet/">Live map</a></li>' in page


def test_name_of_a_driver_is_escaped(admin):
    locate("<b>Jonh")
    html = admin.get(LOCATIONS).content.decode()
    assert "&lt;b&gt;Jonh" in html
    assert "<b>Jonh" not in html


@pytest.mark.parametrize("query", ["Jonh", "jonh@ex", "JONH@EXAMPLE.COM"])
def test_search_finds_by_name_and_email(admin, query):
    locate("Jonh")
    locate("Mary")
    assert names(admin.get(LOCATIONS, {"q": query})) == ["Jonh"]


def test_newest_comes_first_and_the_order_can_be_turned(admin):
    for name, age in [("Old", 300), ("New", 0), ("Middle", 30)]:
        locate(name, age=age)
    assert names(admin.get(LOCATIONS)) == ["New", "Middle", "Old"]
    assert names(admin.get(LOCATIONS, {"o": "4"})) == ["Old", "Middle", "New"]
    assert names(admin.get(LOCATIONS, {"o": "1"})) == ["Middle", "New", "Old"]


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ("live", ["Live"]),
        ("stale", ["Stale"]),
        ("offline", ["Offline"]),
        ("nonsense", ["Live", "Stale", "Offline"]),
    ],
)
def test_filter_selects_by_status(admin, status, found):
    for name, age in [("Live", 0), ("Stale", 30), ("Offline", 300)]:
        locate(name, age=age)
    assert names(admin.get(LOCATIONS, {"status": status})) == found


def test_filter_counts_its_choices_on_request(admin):
    locate("Live")
    html = admin.get(LOCATIONS, {"_facets": "1"}).content.decode()
    assert "live (1)" in html
    assert "offline (0)" in html


def test_one_location_can_be_looked_at(admin):
    location = locate("Jonh")
    response = admin.get(f"{LOCATIONS}{location.pk}/change/")
    assert response.status_code == 200
    html = response.content.decode()
    assert "-1.4354" in html
    assert 'name="_save"' not in html
    assert "deletelink" not in html


def test_location_of_a_driver_who_has_left_says_since_when(admin):
    location = locate("Jonh")
    DriverLocation.objects.update(disconnected_at=datetime(2026, 1, 31, 12, tzinfo=UTC))
    html = admin.get(f"{LOCATIONS}{location.pk}/change/").content.decode()
    assert "tracking-offline" in html
    assert "Jan. 31, 2026, noon" in html


def test_nobody_can_add_change_or_delete_a_location(admin):
    location = locate("Jonh")
    change = f"{LOCATIONS}{location.pk}/change/"
    assert admin.get(f"{LOCATIONS}add/").status_code == 403
    assert admin.post(f"{LOCATIONS}add/", {"latitude": "1"}).status_code == 403
    assert admin.post(change, {"latitude": "1"}).status_code == 403
    assert admin.post(f"{LOCATIONS}{location.pk}/delete/", {"post": "yes"}).status_code == 403
    admin.post(
        LOCATIONS, {"action": "delete_selected", "_selected_action": location.pk, "post": "yes"}
    )
    location.refresh_from_db()
    assert location.latitude == -1.4354


def test_location_goes_with_a_driver_who_is_deleted(admin):
    location = locate("Jonh")
    response = admin.post(f"/admin/accounts/user/{location.pk}/delete/", {"post": "yes"})
    assert response.status_code == 302
    assert not User.objects.filter(pk=location.pk).exists()
    assert not DriverLocation.objects.exists()


def test_staff_needs_the_permission_to_view(client):
    staff = User.objects.create_user(email="staff@example.com", is_staff=True)
    client.force_login(staff)
    assert client.get(LOCATIONS).status_code == 403
    staff.user_permissions.add(Permission.objects.get(codename="view_driverlocation"))
    assert client.get(LOCATIONS).status_code == 200


@pytest.fixture
def full_table(db):
    User.objects.bulk_create(
        User(email=f"driver{n}@example.com", name=f"Driver {n}", role="driver") for n in range(ROWS)
    )
    now = timezone.now()
    DriverLocation.objects.bulk_create(
        DriverLocation(
            driver_id=pk,
            latitude=1,
            longitude=2,
            recorded_at=now - timedelta(seconds=n / 100),
            received_at=now - timedelta(seconds=n / 100),
        )
        for n, pk in enumerate(User.objects.values_list("pk", flat=True))
    )


@pytest.mark.parametrize(
    "query",
    [{}, {"q": "Driver 99"}, {"status": "stale"}, {"p": "50"}, {"o": "1"}],
    ids=["first page", "search", "filter", "page 51", "by name"],
)
def test_full_table_takes_a_bounded_number_of_queries(
    admin, full_table, django_assert_max_num_queries, query
):
    # Session, user, count of matches, count of all, page; the recorded look, in a savepoint.
    with django_assert_max_num_queries(5 + 3):
        response = admin.get(LOCATIONS, query)
    assert len(names(response)) == 100
