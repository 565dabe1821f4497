import html
import json
import re

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.utils import timezone

from accounts.models import User
from tracking import states, trips
from tracking.grants import end_grant, open_grant
from tracking.models import DriverLocation

pytestmark = pytest.mark.django_db

RIDER_MAP = "/driver/19/map/"
SHARE = "/driver/share/"
FLEET = "/driver/fleet/"
SEARCH = "/driver/search/"


@pytest.fixture(autouse=True)
def _unthrottled():
    """Clear the throttles, so that no test counts the searches of another."""
    cache.clear()


def create(role="rider", pk=None, **fields):
    email = fields.pop("email", f"{role}@example.org")
    return User.objects.create_user(email=email, name=role.title(), role=role, pk=pk, **fields)


@pytest.fixture
def rider(client):
    user = create()
    client.force_login(user)
    return user


@pytest.fixture
def dispatcher(client):
    user = create("dispatcher", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_driverlocation"))
    client.force_login(user)
    return user


def locate(driver, **age):
    seen = timezone.now() - timezone.timedelta(**age)
    return DriverLocation.objects.create(
        driver=driver, latitude=-1.5, longitude=2.25, recorded_at=seen, received_at=seen
    )


@pytest.mark.parametrize("page", [RIDER_MAP, SHARE, FLEET, SEARCH])
def test_pages_send_strangers_to_the_log_in_page_and_back(client, page):
    response = client.get(page)
    assert response.status_code == 302
    assert response.url == f"/accounts/login/?next={page}"


@pytest.mark.parametrize("log_in", ["no-such-page", None])
def test_pages_fail_for_strangers_without_a_log_in_page(client, settings, log_in):
    """docs/integration.md and the check `tracking.W009` describe this."""
    client.raise_request_exception = False
    settings.LOGIN_URL = log_in
    assert client.get(RIDER_MAP).status_code == 500


@pytest.mark.parametrize("page", [RIDER_MAP, SHARE, FLEET])
def test_admins_log_in_page_will_do(client, settings, page):
    settings.LOGIN_URL = "admin:login"
    assert client.get(page).url == f"/admin/login/?next={page}"


@pytest.mark.parametrize("page", [RIDER_MAP, SHARE])
def test_pages_have_no_inline_script_style_or_handler(client, rider, page):
    text = client.get(page).content.decode()
    assert re.findall(r"<script(?![^>]* src=)", text) == []
    assert "<style" not in text
    assert re.findall(r"\s(?:style|on\w+)=", text) == []


def test_fleet_page_has_no_inline_script_style_or_handler(client, dispatcher):
    test_pages_have_no_inline_script_style_or_handler(client, dispatcher, FLEET)


def test_rider_page_is_of_the_driver_in_its_address(client, rider):
    response = client.get(RIDER_MAP)
    text = response.content.decode()
    assert 'data-driver-id="19"' in text
    assert 'data-token-url="/accounts/token/session/"' in text
    assert 'data-stale-after="15" data-offline-after="60"' in text
    assert "csrftoken" in response.cookies


def test_rider_page_names_a_driver_whom_the_rider_may_watch(client, rider):
    create("driver", pk=19)
    User.objects.filter(pk=19).update(name="<b>Ines</b> كلدر")
    text = client.get(RIDER_MAP).content.decode()
    name = "&lt;b&gt;Ines&lt;/b&gt; كلدر"
    assert f"<title>{name} on the map</title>" in text
    assert f"<h1><bdi>{name}</bdi></h1>" in text
    assert f'<p class="tracking-name"><bdi>{name}</bdi></p>' in text
    assert f'data-title="{name}"' in text
    assert "Driver 19" not in text


def test_rider_page_shows_no_address_of_a_driver_without_a_name(client, rider):
    create("driver", pk=19, email="marlow@example.org")
    User.objects.filter(pk=19).update(name="")
    text = client.get(RIDER_MAP).content.decode()
    assert "<h1>Driver 19</h1>" in text
    assert "marlow@" not in text


@pytest.mark.parametrize("hours", [0, 1], ids=["live", "not yet"])
def test_rider_page_names_the_driver_while_a_grant_is_live(client, rider, settings, hours):
    settings.TRACKING = {"WATCH_POLICY": "tracking.permissions.granted"}
    starts_at = timezone.now() + timezone.timedelta(minutes=10 * hours)
    ends_at = starts_at + timezone.timedelta(hours=1)
    driver = create("driver", pk=19)
    User.objects.filter(pk=19).update(name="Ines Calder")
    grant = open_grant(driver=driver, watcher=rider, starts_at=starts_at, ends_at=ends_at)
    assert ("Ines" in client.get(RIDER_MAP).content.decode()) is (not hours)
    end_grant(grant)
    assert "Ines" not in client.get(RIDER_MAP).content.decode()


def test_rider_page_names_nobody_who_is_no_driver(client, rider):
    create("dispatcher", pk=19)
    User.objects.filter(pk=19).update(name="Dora Keel")
    assert "Dora" not in client.get(RIDER_MAP).content.decode()


def test_rider_page_of_an_id_beyond_the_databases_names_nobody(client, rider):
    assert client.get(f"/driver/{2**70}/map/").status_code == 200


def test_rider_page_does_not_reveal_whether_the_driver_exists(client, rider, settings):
    settings.TRACKING = {"WATCH_POLICY": "tracking.permissions.granted"}
    create("driver", pk=19)
    there, missing = (client.get(f"/driver/{pk}/map/").content.decode() for pk in (19, 7020))
    # That of the widget, and that of the form that chooses a language.
    csrf = re.compile(r'(?:data-csrf-token|name="csrfmiddlewaretoken" value)="\w+"')
    assert csrf.sub("", there) == csrf.sub("", missing).replace("7020", "19")


@pytest.mark.parametrize("driver_id", ["0", "-1", "x", "1.5"])
def test_rider_page_of_no_positive_integer_is_not_found(client, rider, driver_id):
    assert client.get(f"/driver/{driver_id}/map/").status_code == 404


def test_thresholds_and_tiles_of_the_settings_reach_the_page(client, rider, settings):
    settings.TRACKING = {
        "STALE_AFTER": 7.5,
        "OFFLINE_AFTER": 90.0,
        "TILE_URL": "https://tiles.example/{z}/{x}/{y}.png",
        "TILE_ATTRIBUTION": '<a href="https://tiles.example">Tiles</a>',
        "TOKEN_URL": "accounts:token",
    }
    text = client.get(RIDER_MAP).content.decode()
    assert 'data-stale-after="7.5" data-offline-after="90"' in text
    assert 'data-tile-url="https://tiles.example/{z}/{x}/{y}.png"' in text
    assert 'data-tile-attribution="&lt;a href=&quot;https://tiles.example&quot;&gt;' in text
    assert 'data-token-url="/accounts/token/"' in text


def test_base_layer_of_the_settings_reaches_the_page_and_there_is_none_by_default(
    client, rider, settings
):
    settings.TRACKING = {}
    assert 'data-base-layer=""' in client.get(RIDER_MAP).content.decode()
    settings.TRACKING = {"BASE_LAYER": "rides/streets.js"}
    assert 'data-base-layer="/static/rides/streets.js"' in client.get(RIDER_MAP).content.decode()


def test_driver_shares_his_own_location(client):
    client.force_login(create("driver", pk=19))
    text = client.get(SHARE).content.decode()
    assert 'data-tracking="share"' in text
    assert 'data-driver-id="19"' in text


def test_button_begins_and_ends_shifts_only_of_drivers_with_a_state(client):
    driver = create("driver", pk=19)
    client.force_login(driver)
    assert 'data-driver-state=""' in client.get(SHARE).content.decode()
    states.set_state(driver, "non_operational")
    assert 'data-driver-state="non_operational"' in client.get(SHARE).content.decode()


def test_somebody_who_may_not_publish_reads_why(client, rider):
    text = client.get(SHARE).content.decode()
    assert "This page is for drivers" in text
    assert "data-tracking" not in text


@pytest.mark.parametrize("page", [FLEET, SEARCH])
def test_the_fleet_is_refused_to_riders_and_to_staff_without_the_permission(client, rider, page):
    assert client.get(page).status_code == 403
    client.force_login(create("dispatcher", is_staff=True))
    assert client.get(page).status_code == 403


def test_fleet_page_has_the_addresses_of_the_console(client, dispatcher):
    text = client.get(FLEET).content.decode()
    assert 'data-tracking="dispatch-console"' in text
    assert 'data-drivers-url="/fleet/drivers/"' in text
    assert 'data-filters-url="/fleet/filters/"' in text
    assert 'data-nearby-url="/driver/nearby/"' in text


def test_fleet_page_has_trips_and_alerts_for_staff_who_may_see_them(client, dispatcher):
    text = client.get(FLEET).content.decode()
    assert 'data-trips-url=""' in text
    assert 'data-alerts-url=""' in text
    assert 'data-tab="trips"' not in text
    dispatcher.user_permissions.add(Permission.objects.get(codename="view_trip"))
    text = client.get(FLEET).content.decode()
    assert 'data-trips-url="/trips/"' in text
    assert 'data-alerts-url="/fleet/alerts/"' in text
    assert 'data-may-assign=""' in text
    dispatcher.user_permissions.add(Permission.objects.get(codename="change_trip"))
    text = client.get(FLEET).content.decode()
    assert 'data-may-assign="true"' in text
    assert 'data-may-acknowledge="true"' in text


def test_fleet_page_is_the_map_alone_without_the_fleet_api(client, dispatcher, monkeypatch):
    monkeypatch.setattr("tracking.pages.views.reverse_or_empty", lambda name: "")
    text = client.get(FLEET).content.decode()
    assert 'data-tracking="fleet-map"' in text
    assert 'data-row-url="/admin/tracking/driverlocation/0/change/"' in text
    assert f'data-search-url="{SEARCH}"' in text


def test_fleet_map_links_to_trips_for_staff_who_may_see_them(client, dispatcher, monkeypatch):
    monkeypatch.setattr("tracking.pages.views.reverse_or_empty", lambda name: "")
    assert 'data-trip-url=""' in client.get(FLEET).content.decode()
    dispatcher.user_permissions.add(Permission.objects.get(codename="view_trip"))
    assert 'data-trip-url="/admin/tracking/trip/0/change/"' in client.get(FLEET).content.decode()


@pytest.mark.parametrize("query", ["driv", "MARLOW@", "19"])
def test_search_finds_a_located_driver_by_name_address_or_id(client, dispatcher, query):
    locate(create("driver", pk=19, email="marlow@example.org"), seconds=20)
    (found,) = client.get(SEARCH, {"q": query}).json()["drivers"]
    times = {found.pop(name) for name in ("recordedAt", "receivedAt", "heardAt")}
    assert len(times) == 1
    assert times.pop() > 1.6e12
    assert found == {
        "userId": 19,
        "name": "Driver",
        "email": "marlow@example.org",
        "latitude": -1.5,
        "longitude": 2.25,
        "status": "stale",
    }


@pytest.mark.parametrize("query", ["1234567890123456789", "١٢٣٤٥٦٧٨٩٠١٢٣٤٥٦٧٨٩"])
def test_search_takes_all_digits_of_an_id(client, dispatcher, query):
    for driver_id in (123456789012345678, 1234567890123456789):
        locate(create("driver", pk=driver_id, email=f"{driver_id % 10}@example.org"), seconds=1)
    found = client.get(SEARCH, {"q": query}).json()["drivers"]
    assert [driver["userId"] for driver in found] == [1234567890123456789]
    found = client.get(SEARCH, {"q": query + query[0]}).json()["drivers"]
    assert found == []


@pytest.mark.parametrize("query", ["", "  ", "nobody", "9" * 40, "9" * 19, "9" * 5000])
def test_search_without_a_match_finds_nobody(client, dispatcher, query):
    locate(create("driver", pk=19), seconds=1)
    assert client.get(SEARCH, {"q": query}).json() == {"drivers": [], "total": 0}


def test_search_leaves_out_drivers_without_a_location_and_stops_at_eight(client, dispatcher):
    drivers = [create("driver", email=f"driver{number}@example.org") for number in range(12)]
    for driver in drivers[1:]:
        locate(driver, hours=1)
    found = client.get(SEARCH, {"q": "driver"}).json()
    # Ordered, and with the number of all matches.
    assert [driver["userId"] for driver in found["drivers"]] == [
        driver.pk for driver in drivers[1:9]
    ]
    assert found["total"] == 11


@pytest.fixture
def trip():
    driver = create("driver", pk=19)
    User.objects.filter(pk=19).update(name="Mia")
    riders = [create(email=f"rider{number}@example.org") for number in range(2)]
    waypoints = [{"kind": "pickup", "lat": 0.5, "lon": 101.4, "name": "12 <Market> Street"}]
    return trips.create(riders=riders, driver=driver, reference="T-7", waypoints=waypoints)


def trip_page(trip):
    return f"/trips/{trip.pk}/map/"


def test_riders_and_the_driver_see_their_trip(client, trip):
    for rider in trip.riders.all():
        client.force_login(rider)
        text = client.get(trip_page(trip)).content.decode()
        assert "<h1>Your trip</h1>" in text
        assert f'data-trip-id="{trip.pk}"' in text
        found = json.loads(html.unescape(re.search('data-trip="([^"]+)"', text)[1]))["trip"]
        assert found["driver"]["name"] == "Mia"
        assert found["waypoints"][0]["name"] == "12 <Market> Street"
    client.force_login(trip.driver)
    assert "<h1>Trip T-7</h1>" in client.get(trip_page(trip)).content.decode()


def test_staff_who_may_view_trips_and_locations_see_every_trip(client, dispatcher, trip):
    assert client.get(trip_page(trip)).status_code == 404
    dispatcher.user_permissions.add(Permission.objects.get(codename="view_trip"))
    assert client.get(trip_page(trip)).status_code == 200


def test_trip_of_others_is_not_found_like_one_that_does_not_exist(client, rider, trip):
    former = trip.driver
    trips.assign(trip, None)
    for user in (rider, former):
        client.force_login(user)
        assert client.get(trip_page(trip)).status_code == 404
    for missing in (trip.pk + 1000, 2**70):
        assert client.get(f"/trips/{missing}/map/").status_code == 404


def test_ended_trip_is_still_shown_to_its_rider(client, trip):
    trips.complete(trip)
    client.force_login(trip.riders.first())
    assert "&quot;complete&quot;" in client.get(trip_page(trip)).content.decode()


def test_trip_page_sends_strangers_to_the_log_in_page_and_back(client, trip):
    test_pages_send_strangers_to_the_log_in_page_and_back(client, trip_page(trip))


def test_trip_page_has_no_inline_script_style_or_handler(client, trip):
    rider = trip.riders.first()
    client.force_login(rider)
    test_pages_have_no_inline_script_style_or_handler(client, rider, trip_page(trip))


def test_pages_are_read_only(client, dispatcher):
    for page in (RIDER_MAP, SHARE, FLEET, SEARCH):
        assert client.post(page).status_code == 405


def test_modules_of_a_page_are_files_that_exist(client, dispatcher):
    from django.contrib.staticfiles import finders

    text = client.get(FLEET).content.decode().replace("&quot;", '"')
    modules = json.loads(re.search(r'data-modules="(\{.*?\})"', text)[1])
    assert {"client", "leaflet", "widget"} < set(modules)
    for url in [*modules.values(), *re.findall(r'="/static/([^"]+)"', text)]:
        assert finders.find(url.removeprefix("/static/")), url
