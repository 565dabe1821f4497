"""Drivers' states in the admin."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from tracking import states, trips
from tracking.admin import states as page
from tracking.admin.problems import MAX_SHOWN
from tracking.admin.tables import PAGE
from tracking.models import DriverState, DriverStateChange, LocationAccess, State

from .history import locate, permit, run, said, text_of
from .people import STATES, found, new_user, page_of, plain

pytestmark = pytest.mark.django_db


@pytest.fixture
def free(jonh):
    """Return the state of a driver on duty."""
    return states.set_state(jonh, "available", vehicle_type="van")


@pytest.fixture
def viewer(staff):
    """Return a client of a member of staff who may see drivers' states, and nothing else."""
    staff.user.user_permissions.clear()
    permit(staff.user, "view_driverstate")
    return staff


def names(response):
    return sorted(row.driver.name for row in found(response))


def test_list_shows_the_state_the_trip_and_the_vehicle(admin, free):
    trip = trips.create(reference="T-7", driver=free.driver)
    text = text_of(admin.get(STATES))
    assert '<span class="tracking-status tracking-reserved">reserved</span>' in text
    assert f'<a href="/admin/tracking/trip/{trip.pk}/change/"><bdi>T-7</bdi></a>' in text
    assert "Jonh jonh@example.com" in plain(admin.get(STATES))
    assert "van</td>" in text


def test_trip_is_no_link_for_staff_who_may_not_see_trips(viewer, free):
    trips.create(reference="T-7", driver=free.driver)
    for path in (STATES, page_of(STATES, free)):
        text = text_of(viewer.get(path))
        assert "T-7" in text
        assert "/admin/tracking/trip/" not in text


def test_list_is_searched_by_driver_and_filtered_by_state_and_trip(admin, free):
    mary = new_user("Mary")
    states.set_state(mary, "non_operational")
    busy = new_user("Busy")
    trips.create(driver=busy)
    assert names(admin.get(STATES, {"q": "JONH@"})) == ["Jonh"]
    assert names(admin.get(STATES, {"state__exact": "non_operational"})) == ["Mary"]
    assert names(admin.get(STATES, {"has_trip": "yes"})) == ["Busy"]
    assert names(admin.get(STATES, {"has_trip": "no"})) == ["Jonh", "Mary"]


def test_list_says_why_it_is_empty(admin, free):
    assert "No driver matches." in plain(admin.get(STATES, {"q": "nobody"}))
    DriverState.objects.all().delete()
    assert "No driver has a state yet." in plain(admin.get(STATES))


def test_list_takes_the_same_queries_for_any_number_of_drivers(
    admin, free, django_assert_max_num_queries
):
    drivers = [new_user(f"Driver {number}") for number in range(30)]
    for driver in drivers:
        trips.create(driver=driver)
    # Session, user, count of matches, count of all, page.
    with django_assert_max_num_queries(5):
        assert len(found(admin.get(STATES))) == 31


def test_actions_set_drivers_on_and_off_duty_in_the_name_of_the_user(admin, free):
    run(admin, STATES, "set_off_duty", free)
    assert said(admin, STATES) == ["1 driver is off duty now."]
    free.refresh_from_db()
    assert free.state == State.NON_OPERATIONAL
    run(admin, STATES, "set_on_duty", free)
    assert said(admin, STATES) == ["1 driver is on duty now."]
    newest = DriverStateChange.objects.filter(driver=free.driver).latest("pk")
    assert (newest.previous, newest.state) == ("non_operational", "available")
    assert newest.changed_by.name == "Admin"


def test_driver_with_a_trip_is_named_and_the_others_go_off_duty(admin, free):
    trip = trips.create(reference="T-7", driver=free.driver)
    mary = states.set_state(new_user("Mary"), "available")
    run(admin, STATES, "set_off_duty", free, mary)
    assert said(admin, STATES) == [
        "Jonh has trip T-7: complete it, cancel it or assign another driver.",
        "1 driver is off duty now.",
    ]
    assert states.state_of(free.driver).trip == trip
    assert states.state_of(mary.driver).state == State.NON_OPERATIONAL


def test_change_that_the_specification_does_not_allow_is_explained(admin, free):
    states.set_state(free.driver, "reserved")
    run(admin, STATES, "set_off_duty", free)
    assert said(admin, STATES) == ["Jonh: A driver who is reserved can't become off duty."]


def test_many_conflicts_are_counted_beyond_the_first_ones(admin):
    rows = []
    for number in range(MAX_SHOWN + 3):
        driver = new_user(f"Driver {number}")
        trips.create(driver=driver)
        rows.append(states.state_of(driver))
    run(admin, STATES, "set_off_duty", *rows)
    texts = said(admin, STATES)
    assert len(texts) == MAX_SHOWN + 1
    assert texts[-1] == "And 3 more."


def test_too_many_drivers_at_once_are_refused(admin, free, monkeypatch):
    monkeypatch.setattr(page, "MAX_DRIVERS", 1)
    mary = states.set_state(new_user("Mary"), "available")
    run(admin, STATES, "set_off_duty", free, mary)
    assert said(admin, STATES) == ["Select 1 drivers at most: nothing was changed."]
    assert states.state_of(mary.driver).state == State.AVAILABLE


def test_actions_need_the_permission_to_change_states(viewer, free):
    run(viewer, STATES, "set_off_duty", free)
    free.refresh_from_db()
    assert free.state == State.AVAILABLE
    permit(viewer.user, "change_driverstate")
    run(viewer, STATES, "set_off_duty", free)
    free.refresh_from_db()
    assert free.state == State.NON_OPERATIONAL


def test_only_the_vehicle_type_can_be_changed_by_hand(admin, free):
    response = admin.post(
        page_of(STATES, free), {"vehicle_type": "minibus", "state": "on_trip", "driver": "1"}
    )
    assert response.status_code == 302
    free.refresh_from_db()
    assert (free.vehicle_type, free.state) == ("minibus", "available")
    assert DriverStateChange.objects.count() == 1


def test_vehicle_type_needs_the_permission_to_change_states(viewer, free):
    assert viewer.post(page_of(STATES, free), {"vehicle_type": "x"}).status_code == 403
    free.refresh_from_db()
    assert free.vehicle_type == "van"


def test_nobody_can_add_or_delete_states(admin, free):
    assert admin.get(f"{STATES}add/").status_code == 403
    assert admin.post(f"{STATES}{free.pk}/delete/", {"post": "yes"}).status_code == 403
    run(admin, STATES, "delete_selected", free, post="yes")
    assert DriverState.objects.filter(pk=free.pk).exists()


def test_state_goes_with_a_driver_who_is_deleted(admin, free):
    trips.create(driver=free.driver)
    response = admin.post(f"/admin/accounts/user/{free.pk}/delete/", {"post": "yes"})
    assert response.status_code == 302
    assert not DriverState.objects.exists()


def test_page_lists_the_changes_newest_first_with_their_places(admin, free):
    locate(free.driver, timezone.now())
    trips.create(reference="T-7", driver=free.driver)
    text = text_of(admin.get(page_of(STATES, free)))
    rows = re.findall(r"<tr><td>.*?</tr>", text, re.DOTALL)
    assert len(rows) == 2
    assert "available" in rows[0]
    assert "→" in rows[0]
    assert "reserved" in rows[0]
    assert "reservation_start" in rows[0]
    assert ">T-7<" in rows[0]
    assert "?mlat=-1.4354&amp;mlon=0.9871" in rows[0]
    assert "service_start" in rows[1]
    assert "→" not in rows[1]


def test_page_has_as_many_changes_as_fit_and_leads_to_the_older_ones(admin, free):
    now = timezone.now()
    DriverStateChange.objects.bulk_create(
        DriverStateChange(
            driver=free.driver,
            previous="available",
            state="reserved",
            changed_at=now - timedelta(hours=number),
            reason=f"change {number}",
        )
        for number in range(1, PAGE + 3)
    )
    path = page_of(STATES, free)
    text = plain(admin.get(path))
    assert text.count("change ") == PAGE - 1
    assert "Older" in text
    assert "Newer" not in text
    text = plain(admin.get(path, {"changes": "2"}))
    assert f"change {PAGE + 2}" in text
    assert "Newer" in text
    assert "Older" not in text


@pytest.mark.parametrize("number", ["0", "-1", "x", "²", "9" * 400])
def test_page_number_that_makes_no_sense_is_the_first(admin, free, number):
    assert "service_start" in plain(admin.get(page_of(STATES, free), {"changes": number}))


def test_page_leads_to_the_last_known_location_and_the_day(admin, free):
    text = text_of(admin.get(page_of(STATES, free)))
    assert "/admin/tracking/driverlocation/" not in text.replace(
        f"/admin/tracking/driverlocation/{free.pk}/day/", ""
    ).replace('href="/admin/tracking/driverlocation/"', "")
    locate(free.driver, timezone.now())
    text = text_of(admin.get(page_of(STATES, free)))
    assert f'href="/admin/tracking/driverlocation/{free.pk}/change/"' in text
    assert f'href="/admin/tracking/driverlocation/{free.pk}/day/"' in text


def test_look_at_the_places_of_a_driver_is_recorded(admin, free):
    admin.get(STATES)
    assert not LocationAccess.objects.exists()
    admin.get(page_of(STATES, free))
    [look] = LocationAccess.objects.all()
    assert (look.way, look.driver_id, look.viewer.name) == ("admin", free.pk, "Admin")


def test_places_are_for_staff_who_may_see_locations(viewer, free):
    locate(free.driver, timezone.now())
    trips.create(driver=free.driver)
    text = text_of(viewer.get(page_of(STATES, free)))
    assert "reservation_start" in text
    assert "mlat" not in text
    assert "driverlocation" not in text
    assert not LocationAccess.objects.exists()


def test_staff_need_the_permission_to_see_states(staff, free):
    assert staff.get(STATES).status_code == 403
    assert staff.get(page_of(STATES, free)).status_code == 403


def test_names_are_escaped(admin):
    row = states.set_state(new_user("<b>Jonh"), "available")
    for path in (STATES, page_of(STATES, row)):
        text = text_of(admin.get(path))
        assert "&lt;b&gt;Jonh" in text
        assert "<b>Jonh" not in text
