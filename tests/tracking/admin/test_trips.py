"""Trips in the admin."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from tracking import states, trips
from tracking.admin import trip_endings
from tracking.models import (
    State,
    Trip,
    TripAssignment,
    TripChange,
    TripEta,
    TripMatch,
    TripStatus,
    WatchGrant,
)

from .history import permit, run, said, text_of
from .people import GRANTS, TRIPS, errors_of, found, new_user, page_of, plain

pytestmark = pytest.mark.django_db

WAYPOINTS = [
    {"kind": "pickup", "lat": "-2.3123", "lon": 2.4535, "name": "12 Harbour <Road>"},
    {"kind": "dropoff", "lat": "-2.3301", "lon": "2.4702"},
]


@pytest.fixture
def ada(db):
    return new_user("Ada", role="rider")


@pytest.fixture
def trip(jonh, ada):
    """Return an open trip with a driver, a rider and waypoints."""
    return trips.create(
        reference="T-7", riders=[ada], driver=jonh, vehicle="white Prius", waypoints=WAYPOINTS
    )


@pytest.fixture
def viewer(staff):
    """Return a client of a member of staff who may see trips, and nothing else."""
    staff.user.user_permissions.clear()
    permit(staff.user, "view_trip")
    return staff


def assign(client, trip, driver, *, former="", vehicle=""):
    data = {"driver": driver.pk if driver else "", "vehicle": vehicle, "former": former}
    return client.post(page_of(TRIPS, trip), {**data, "_continue": "1"})


def add(client, **fields):
    data = {"reference": "", "driver": "", "vehicle": "", **fields}
    return client.post(f"{TRIPS}add/", data)


def test_list_shows_reference_status_driver_and_the_first_riders(admin, trip):
    riders = [new_user(name, role="rider") for name in ("Bo", "Chidi", "Dana", "Emre")]
    unnamed = trips.create(riders=riders)
    text = plain(admin.get(TRIPS))
    assert re.search(r"T-7 new Jonh jonh@example.com – Ada \d{4}-", text)
    assert re.search(rf"#{unnamed.pk} new – – Bo, Chidi, \+2 \d{{4}}-", text)
    assert [row.pk for row in found(admin.get(TRIPS))] == [unnamed.pk, trip.pk]


@pytest.mark.parametrize("query", ["t-7", "JONH@", "ada", "#{pk}"])
def test_list_is_searched_by_reference_driver_rider_and_id(admin, trip, query):
    trips.create(reference="T-8", riders=[new_user("Bo", role="rider")])
    assert found(admin.get(TRIPS, {"q": query.format(pk=trip.pk)})) == [trip]


@pytest.mark.parametrize("query", ["#0", "#" + "9" * 30, "#²", "#", "nobody"])
def test_search_without_a_match_says_so(admin, trip, query):
    Trip.objects.update(reference="")
    assert "No trip matches." in plain(admin.get(TRIPS, {"q": query}))


def test_empty_list_says_so(admin):
    assert "No trips yet." in plain(admin.get(TRIPS))


def test_trip_with_many_matching_riders_is_found_once(admin):
    riders = [new_user(f"Ada {number}", role="rider") for number in range(3)]
    trip = trips.create(riders=riders)
    assert found(admin.get(TRIPS, {"q": "ada"})) == [trip]


def test_list_is_filtered_by_open_or_ended_and_by_status(admin, trip):
    ended = trips.cancel(trips.create())
    assert found(admin.get(TRIPS, {"state": "open"})) == [trip]
    assert found(admin.get(TRIPS, {"state": "ended"})) == [ended]
    assert found(admin.get(TRIPS, {"status__exact": "canceled"})) == [ended]


@pytest.mark.parametrize(
    ("seconds", "confidence", "text"),
    [(245, "high", "4 min"), (245, "low", "about 4 min"), (30, "high", "now"), (-9, "low", "now")],
)
def test_list_shows_when_the_driver_arrives(admin, trip, jonh, seconds, confidence, text):
    now = timezone.now()
    arrival = now + timedelta(seconds=seconds)
    values = {"waypoint": 0, "distance": 900, "confidence": confidence, "computed_at": now}
    TripEta.objects.create(trip=trip, driver=jonh, arrives_at=arrival, **values)
    assert f"jonh@example.com {text} Ada" in plain(admin.get(TRIPS))


def test_list_takes_the_same_queries_for_any_number_of_trips(
    admin, ada, django_assert_max_num_queries
):
    for number in range(30):
        trips.create(driver=new_user(f"Driver {number}"), riders=[ada])
    # Session, user, count, page, riders.
    with django_assert_max_num_queries(5):
        assert len(found(admin.get(TRIPS))) == 30


def test_page_shows_waypoints_riders_vehicle_drivers_and_changes(admin, trip, jonh):
    mary = new_user("Mary")
    trips.assign(trip, mary, vehicle="blue van", reason="engine trouble")
    trips.set_status(trip, "enroute_to_pickup")
    response = admin.get(page_of(TRIPS, trip))
    text = plain(response)
    assert "pickup 12 Harbour <Road> Show" in text
    assert "destination – Show" in text
    assert "Ada ada@example.com" in text
    assert "mlat=-2.3123&amp;mlon=2.4535" in text_of(response)
    changes = text[text.index("Reason By") :]
    assert re.search(
        r"way to the pickup Mary – – .* new Mary engine trouble – .* new Jonh – –", changes
    )
    drivers = text[text.index("Drivers Driver") : text.index("Changes Time")]
    assert re.search(r"Mary \S+ \S+ now – Jonh \S+ \S+ \S+ \S+ –", drivers)


def test_page_of_a_trip_without_anything_says_so(admin):
    text = plain(admin.get(page_of(TRIPS, trips.create())))
    assert "No waypoints." in text
    assert "No driver yet." in text


def test_facts_and_changes_of_a_trip_cannot_be_edited(admin, trip, jonh):
    data = {"driver": jonh.pk, "vehicle": "white Prius", "former": jonh.pk}
    more = {"reference": "X", "status": "complete", "riders": "", "ended_at": "2026-01-01"}
    response = admin.post(page_of(TRIPS, trip), {**data, **more})
    assert response.status_code == 302
    trip.refresh_from_db()
    assert (trip.reference, trip.status, trip.version) == ("T-7", "new", 1)
    assert trip.riders.count() == 1
    assert admin.post(f"{TRIPS}{trip.pk}/delete/", {"post": "yes"}).status_code == 403
    run(admin, TRIPS, "delete_selected", trip, post="yes")
    assert Trip.objects.filter(pk=trip.pk).exists()


def test_trip_stays_when_its_rider_is_deleted(admin, trip, ada):
    response = admin.post(f"/admin/accounts/user/{ada.pk}/delete/", {"post": "yes"})
    assert response.status_code == 302
    assert not Trip.objects.get(pk=trip.pk).riders.exists()


def test_driver_is_assigned_in_the_name_of_the_user(admin, ada, jonh):
    trip = trips.create(riders=[ada])
    response = assign(admin, trip, jonh, vehicle="white Prius")
    assert response.headers["Location"] == page_of(TRIPS, trip)
    assert said(admin, TRIPS) == ["Jonh has this trip now."]
    trip.refresh_from_db()
    assert (trip.driver, trip.vehicle) == (jonh, "white Prius")
    assert states.state_of(jonh).state == State.RESERVED
    assert TripAssignment.objects.get().assigned_by.name == "Admin"
    assert WatchGrant.objects.get().watcher == ada


def test_trip_is_given_to_another_driver_without_the_former_ones_vehicle(admin, trip, jonh):
    mary = new_user("Mary")
    assign(admin, trip, mary, former=jonh.pk, vehicle="white Prius")
    trip.refresh_from_db()
    assert (trip.driver, trip.vehicle) == (mary, "")
    assert states.state_of(jonh).state == State.AVAILABLE


def test_vehicle_alone_can_be_corrected(admin, trip, jonh):
    assign(admin, trip, jonh, former=jonh.pk, vehicle="blue van")
    trip.refresh_from_db()
    assert (trip.driver, trip.vehicle) == (jonh, "blue van")


def test_trip_is_taken_back_from_its_driver(admin, trip, jonh):
    assign(admin, trip, None, former=jonh.pk)
    assert said(admin, TRIPS) == ["The trip waits for a driver."]
    trip.refresh_from_db()
    assert trip.driver is None
    assert states.state_of(jonh).state == State.AVAILABLE


def test_conflict_names_the_trip_that_has_the_driver(admin, trip, jonh):
    other = trips.create()
    response = assign(admin, other, jonh)
    assert errors_of(response) == {"driver": ["Jonh has trip T-7."]}
    other.refresh_from_db()
    assert (other.driver, other.version) == (None, 1)


def test_driver_off_duty_rider_and_somebody_else_are_refused(admin, ada):
    mary = new_user("Mary")
    states.set_state(mary, "non_operational")
    trip = trips.create(riders=[mary])
    assert errors_of(assign(admin, trip, mary)) == {
        "driver": ["This driver is a rider of the trip."]
    }
    trip = trips.create()
    assert errors_of(assign(admin, trip, mary)) == {"driver": ["Mary is off duty."]}
    assert list(errors_of(assign(admin, trip, ada))) == ["driver"]


def test_trip_that_was_given_away_meanwhile_is_not_taken_unseen(admin, trip, jonh):
    mary, bo = new_user("Mary"), new_user("Bo")
    trips.assign(trip, bo)
    response = assign(admin, trip, mary, former=jonh.pk)
    text = "Bo was given this trip in the meantime. Assign again to change that."
    assert errors_of(response) == {"driver": [text]}
    trip.refresh_from_db()
    assert trip.driver == bo
    # The page shown now knows of the new driver.
    assert f'name="former" value="{bo.pk}"' in text_of(response)
    trips.assign(trip, None)
    text = "The trip has no driver any more. Assign again to change that."
    assert errors_of(assign(admin, trip, mary, former=bo.pk)) == {"driver": [text]}


def test_page_has_the_drivers_state_and_no_empty_facts(admin, trip, jonh):
    response = admin.get(page_of(TRIPS, trip))
    link = f'<a href="/admin/tracking/driverstate/{jonh.pk}/change/"><span class="tracking-status'
    assert link in text_of(response)
    assert "Assigned:" in plain(response)
    assert "Ended:" not in plain(response)


def test_ended_trip_offers_no_assignment(admin, trip, jonh):
    trips.complete(trip)
    assert "Assign driver" not in text_of(admin.get(page_of(TRIPS, trip)))
    assert assign(admin, trip, None, former=jonh.pk).status_code == 403


def test_page_of_a_finished_trip_has_its_distance_on_streets_once_it_is_known(admin, trip):
    trips.complete(trip)
    now = timezone.now()
    TripMatch.objects.create(trip=trip, claimed_at=now)
    assert "Distance on streets" not in plain(admin.get(page_of(TRIPS, trip)))
    TripMatch.objects.update(matched_at=now, distance=5230.4)
    assert "Distance on streets: 5.23 km" in plain(admin.get(page_of(TRIPS, trip)))


def test_trip_is_added_with_riders_a_driver_and_an_end(admin, ada, jonh):
    ends_at = timezone.localtime() + timedelta(hours=2)
    response = add(
        admin,
        reference="T-9",
        riders=[ada.pk],
        driver=jonh.pk,
        vehicle="white Prius",
        ends_at_0=f"{ends_at:%Y-%m-%d}",
        ends_at_1=f"{ends_at:%H:%M:%S}",
    )
    assert response.status_code == 302
    trip = Trip.objects.get()
    assert (trip.reference, trip.driver, trip.vehicle) == ("T-9", jonh, "white Prius")
    assert list(trip.riders.all()) == [ada]
    assert trip.ends_at == ends_at.replace(microsecond=0)
    assert trip.created_by.name == "Admin"
    assert states.state_of(jonh).state == State.RESERVED


def test_trip_needs_nothing_to_be_added(admin):
    assert add(admin).status_code == 302
    assert Trip.objects.get().status == TripStatus.NEW


def test_errors_of_a_new_trip_are_at_their_fields(admin, trip, jonh, ada):
    assert errors_of(add(admin, driver=jonh.pk)) == {"driver": ["Jonh has trip T-7."]}
    mary = new_user("Mary")
    states.set_state(mary, "non_operational")
    assert errors_of(add(admin, driver=mary.pk)) == {"driver": ["Mary is off duty."]}
    assert list(errors_of(add(admin, driver=ada.pk))) == ["driver"]
    past = {"ends_at_0": "2020-01-01", "ends_at_1": "00:00"}
    assert errors_of(add(admin, **past)) == {"ends_at": ["A trip must end in the future."]}
    assert list(errors_of(add(admin, ends_at_0="2099-01-01"))) == ["ends_at"]
    assert list(errors_of(add(admin, reference="T" * 101))) == ["reference"]
    riders = [new_user(f"R{number}", role="rider").pk for number in range(21)]
    assert errors_of(add(admin, riders=riders)) == {"riders": ["A trip has at most 20 riders."]}
    assert list(Trip.objects.all()) == [trip]


def test_cancel_asks_first_and_keeps_the_reason(admin, trip, jonh):
    text = plain(run(admin, TRIPS, "cancel_selected", trip))
    assert "Cancel this trip?" in text
    assert "T-7 : new, Jonh" in text
    trip.refresh_from_db()
    assert trip.status == TripStatus.NEW
    run(admin, TRIPS, "cancel_selected", trip, post="yes", reason=" no show ")
    assert said(admin, TRIPS) == ["1 trip canceled."]
    trip.refresh_from_db()
    assert trip.status == TripStatus.CANCELED
    newest = TripChange.objects.latest("version")
    assert (newest.reason, newest.changed_by.name) == ("no show", "Admin")
    assert states.state_of(jonh).state == State.AVAILABLE


def test_complete_ends_what_it_can_and_names_the_others(admin, trip):
    waiting = trips.create(reference="T-8")
    canceled = trips.cancel(trips.create(reference="T-9"))
    page = plain(run(admin, TRIPS, "complete_selected", trip, waiting, canceled))
    assert "Complete these 2 trips?" in page
    assert "1 selected trip has ended already" in page
    run(admin, TRIPS, "complete_selected", trip, waiting, canceled, post="yes")
    assert said(admin, TRIPS) == [
        "1 trip completed.",
        "T-9 is canceled already.",
        "T-8: This trip has no driver yet: assign one first.",
    ]
    trip.refresh_from_db()
    assert trip.status == TripStatus.COMPLETE


def test_trips_that_have_all_ended_need_no_confirmation(admin, trip):
    trips.complete(trip)
    run(admin, TRIPS, "cancel_selected", trip)
    assert said(admin, TRIPS) == ["T-7 is complete already."]


def test_reason_too_long_ends_nothing(admin, trip):
    run(admin, TRIPS, "cancel_selected", trip, post="yes", reason="x" * 101)
    [text] = said(admin, TRIPS)
    assert text.startswith("T-7: ")
    trip.refresh_from_db()
    assert not trip.is_over


def test_too_many_trips_at_once_are_refused(admin, trip, monkeypatch):
    monkeypatch.setattr(trip_endings, "MAX_TRIPS", 1)
    run(admin, TRIPS, "cancel_selected", trip, trips.create(), post="yes")
    assert said(admin, TRIPS) == ["Select 1 trips at most: nothing was changed."]
    assert not Trip.objects.exclude(ended_at=None).exists()


def test_staff_who_may_only_see_trips_change_nothing(viewer, trip, jonh):
    assert viewer.get(TRIPS).status_code == 200
    text = text_of(viewer.get(page_of(TRIPS, trip)))
    assert "white Prius" in text
    assert "Assign driver" not in text
    assert "/admin/tracking/driverstate/" not in text
    assert assign(viewer, trip, None, former=jonh.pk).status_code == 403
    assert viewer.get(f"{TRIPS}add/").status_code == 403
    run(viewer, TRIPS, "cancel_selected", trip, post="yes")
    trip.refresh_from_db()
    assert (trip.driver, trip.status) == (jonh, "new")


def test_staff_need_the_permission_to_see_trips(staff, trip):
    assert staff.get(TRIPS).status_code == 403
    assert staff.get(page_of(TRIPS, trip)).status_code == 403


def test_grant_leads_to_its_trip(admin, trip):
    grant = WatchGrant.objects.get()
    link = f'<a href="/admin/tracking/trip/{trip.pk}/change/"><bdi>T-7</bdi></a>'
    assert link in text_of(admin.get(page_of(GRANTS, grant)))
    Trip.objects.filter(pk=trip.pk).delete()
    assert f"<bdi>#{trip.pk}</bdi>" in text_of(admin.get(page_of(GRANTS, grant)))


def test_grant_without_a_trip_has_no_such_field(admin, jonh, ada):
    now = timezone.now()
    grant = WatchGrant.objects.create(driver=jonh, watcher=ada, ends_at=now + timedelta(hours=1))
    assert "field-trip" not in text_of(admin.get(page_of(GRANTS, grant)))


def test_grant_names_its_trip_to_staff_who_may_not_see_trips(staff, trip):
    permit(staff.user, "view_watchgrant")
    text = text_of(staff.get(page_of(GRANTS, WatchGrant.objects.get())))
    assert "field-trip_text" in text
    assert "/admin/tracking/trip/" not in text
