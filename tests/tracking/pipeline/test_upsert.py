"""The statement that stores a batch, and the query that reads it back, on both databases."""

import threading

import msgspec
import pytest
from django.db import DatabaseError, connections
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tracking.fix import Fix
from tracking.models import DriverLocation
from tracking.pipeline.rows import PartlyStoredError, load_snapshots, upsert, upsert_and_compare
from tracking.protocol import degrees, encode_location

from ..fakes import NOON, fix_of
from ..rows import FAR_AWAY, drivers, stored

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])


@pytest.fixture
def driver(database):
    return drivers(1)[0]


def test_a_first_fix_is_stored(driver):
    assert upsert([fix_of(driver)]) == set()
    assert stored(driver) == fix_of(driver)


@pytest.mark.parametrize(
    ("seconds", "kept"), [((1, 2), 2), ((2, 1), 2), ((1, 1.000001), 1.000001), ((2, 1.999999), 2)]
)
def test_only_a_newer_fix_replaces_the_stored_one(driver, seconds, kept):
    for second in seconds:
        upsert([fix_of(driver, second, latitude=second)])
    assert stored(driver) == fix_of(driver, kept, latitude=kept)


def measured(driver, received, latitude):
    at = fix_of(driver, received).received_at
    return Fix(driver, latitude, 0.0, NOON, at)


@pytest.mark.parametrize(
    ("arrivals", "kept"), [((1, 2), 2), ((2, 1), 2), ((0, 0.000001), 0.000001)]
)
def test_of_fixes_measured_at_the_same_time_the_one_that_arrived_last_is_kept(
    driver, arrivals, kept
):
    for arrival in arrivals:
        upsert([measured(driver, arrival, latitude=arrival)])
    assert stored(driver) == measured(driver, kept, latitude=kept)


def test_the_devices_clock_counts_before_arrival(driver):
    newer = Fix(driver, 1.0, 1.0, fix_of(second=5).recorded_at, fix_of(second=6).received_at)
    upsert([newer])
    heard = fix_of(second=9).received_at
    upsert([Fix(driver, 2.0, 2.0, fix_of(second=4).recorded_at, heard)])
    assert stored(driver) == msgspec.structs.replace(newer, heard_at=heard)


MOMENTS = st.sampled_from([fix_of(second=second).received_at for second in (1, 2, 2.000001)])


@st.composite
def fixes(draw):
    recorded_at, received_at, heard_at = sorted([draw(MOMENTS) for _ in range(3)])
    latitude, disconnected_at = draw(st.sampled_from([1.0, 2.0])), draw(st.none() | MOMENTS)
    measured = st.sampled_from([None, 0.0, 90.0])
    return {
        "latitude": latitude,
        "longitude": 0.0,
        "accuracy": draw(st.sampled_from([None, 1.0, 2.0])),
        "heading": draw(measured),
        "speed": draw(measured),
        "recorded_at": recorded_at,
        "received_at": received_at,
        # A connection ends after its phone was last heard.
        "disconnected_at": disconnected_at and max(disconnected_at, heard_at),
        "heard_at": heard_at if heard_at > received_at else None,
        "clock_offset": draw(st.sampled_from([None, 3600.5])),
    }


@hypothesis_settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(one=fixes(), other=fixes())
def test_the_database_and_the_fix_itself_agree_on_what_is_known(driver, one, other):
    one, other = Fix(driver, **one), Fix(driver, **other)
    DriverLocation.objects.filter(pk=driver).delete()
    upsert([other])
    upsert([one])
    assert stored(driver) == one.merged_with(other)


@pytest.mark.parametrize("second", [0, 1, 0.5, 0.1, 0.000001, 0.999999, 59.12345, 12 * 3600])
def test_times_are_kept_to_the_microsecond_with_and_without_a_fraction(driver, second):
    upsert([fix_of(driver, second)])
    assert stored(driver) == fix_of(driver, second)
    row = DriverLocation.objects.get(pk=driver)
    assert row.recorded_at == row.received_at == fix_of(driver, second).recorded_at


@pytest.mark.parametrize("earlier", [0, 0.5, 0.999999, 9, 9.000001, 9.5, 59])
def test_times_are_compared_as_times_whatever_their_fractions(driver, earlier):
    later = earlier + 0.000001
    upsert([fix_of(driver, earlier)])
    upsert([fix_of(driver, later)])
    assert stored(driver) == fix_of(driver, later)
    upsert([fix_of(driver, earlier, latitude=9.0)])
    assert stored(driver) == fix_of(driver, later)


def test_a_time_written_by_the_orm_compares_with_one_written_by_the_statement(driver):
    for number, second in enumerate([0, 0.5, 1]):
        at = fix_of(second=second).recorded_at
        DriverLocation.objects.filter(pk=driver).delete()
        DriverLocation.objects.create(
            driver_id=driver, latitude=0, longitude=0, recorded_at=at, received_at=at
        )
        upsert([fix_of(driver, second - 0.000001, latitude=number)])
        assert stored(driver).latitude == 0
        upsert([fix_of(driver, second, latitude=7.0)])
        assert stored(driver).latitude == 0
        upsert([fix_of(driver, second + 0.000001, latitude=9.0)])
        assert stored(driver).latitude == 9.0


@pytest.mark.parametrize(
    "rest",
    [
        {},
        {"accuracy": 4.5},
        {"heading": 0.0},
        {"speed": 0.0},
        {"accuracy": 0.1, "heading": 359.999999, "speed": 1e-9},
        {"accuracy": 1.0, "heading": 90.0, "speed": 13.0},
    ],
)
def test_what_was_not_measured_is_null_and_what_was_is_kept(driver, rest):
    upsert([fix_of(driver, **rest)])
    assert stored(driver) == fix_of(driver, **rest)


def test_a_newer_fix_replaces_every_column(driver):
    upsert([fix_of(driver, 1, 10.0, 20.0, accuracy=1.0, heading=2.0, speed=3.0)])
    upsert([fix_of(driver, 2, -10.0, -20.0)])
    assert stored(driver) == fix_of(driver, 2, -10.0, -20.0)


@hypothesis_settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(latitude=st.floats(-90, 90), longitude=st.floats(-180, 180))
def test_a_snapshot_is_the_same_bytes_as_the_live_frame(driver, latitude, longitude):
    fix = fix_of(
        driver, 1, degrees("lat", latitude, 90), degrees("lon", longitude, 180), accuracy=None
    )
    DriverLocation.objects.filter(pk=driver).delete()
    upsert([fix])
    snapshot = stored(driver)
    assert encode_location(snapshot.latitude, snapshot.longitude) == encode_location(
        fix.latitude, fix.longitude
    )


def test_a_batch_is_one_statement_without_a_transaction_around_it(database):
    ids = drivers(500)
    with CaptureQueriesContext(connections[database]) as queries:
        upsert([fix_of(driver_id) for driver_id in ids])
    assert len(queries) == 1
    assert DriverLocation.objects.count() == 500


def test_a_driver_has_one_row_however_often_it_is_stored(driver):
    for second in range(5):
        upsert([fix_of(driver, second)])
    assert DriverLocation.objects.count() == 1


def test_a_fix_of_a_deleted_driver_is_refused_and_the_others_are_stored(database):
    ids = drivers(7)
    gone = [FAR_AWAY, FAR_AWAY + 1]
    refused = upsert([fix_of(driver_id) for driver_id in [gone[0], *ids, gone[1]]])
    assert refused == set(gone)
    assert set(load_snapshots(ids)) == set(ids)


def test_a_fix_that_the_columns_refuse_keeps_no_other_from_being_stored(database, caplog):
    ids = drivers(3)
    fixes = [fix_of(driver_id) for driver_id in ids]
    fixes[1] = fix_of(ids[1], latitude=91.0)
    with pytest.raises(PartlyStoredError) as raised:
        upsert(fixes)
    assert (raised.value.rejected, raised.value.discarded) == (set(), {ids[1]})
    assert raised.value.failed == set()
    assert set(load_snapshots(ids)) == {ids[0], ids[2]}
    # Not the database's message, which may hold the row.
    assert caplog.messages == [f"A location of driver {ids[1]} was refused: IntegrityError"]


def test_an_empty_batch_is_harmless(database):
    assert upsert([]) == set()


def test_two_workers_that_store_the_same_drivers_do_not_lock_each_other_out(database):
    """The batches list the drivers in different orders; a deadlock would fail or time out."""
    ids = drivers(50)
    start = threading.Barrier(2)
    errors = []

    def work(order, offset):
        try:
            for round_number in range(20):
                start.wait(10)
                upsert([fix_of(driver_id, 2 * round_number + offset) for driver_id in order])
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=work, args=(ids, 0)),
        threading.Thread(target=work, args=(ids[::-1], 1)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert {fix.recorded_at for fix in load_snapshots(ids).values()} == {
        fix_of(second=39).recorded_at
    }


def test_a_missing_table_is_no_refusal_of_anybodys_fix(driver):
    table = DriverLocation._meta.db_table
    DriverLocation._meta.db_table = "no_such_table"
    try:
        with pytest.raises(DatabaseError):
            upsert([fix_of(driver)])
    finally:
        DriverLocation._meta.db_table = table


def test_snapshots_of_many_drivers_take_one_query(database):
    ids = drivers(25)
    upsert([fix_of(driver_id) for driver_id in ids])
    with CaptureQueriesContext(connections[database]) as queries:
        snapshots = load_snapshots([*ids, FAR_AWAY])
    assert len(queries) == 1
    assert snapshots == {driver_id: fix_of(driver_id) for driver_id in ids}


def test_snapshots_of_more_drivers_than_one_statement_takes_are_loaded(driver):
    upsert([fix_of(driver)])
    assert load_snapshots(list(range(1, 40_000))) == {driver: fix_of(driver)}


def test_comparing_returns_the_fix_that_was_stored_before(database):
    known, new = drivers(2)
    upsert([fix_of(known, 1)])
    batch = [fix_of(new, 2), fix_of(known, 2)]
    assert upsert_and_compare(batch) == (set(), {known: fix_of(known, 1)})
    assert load_snapshots([known, new]) == {fix.driver_id: fix for fix in batch}


def test_comparing_refuses_what_an_upsert_refuses_and_stores_the_rest(driver):
    upsert([fix_of(driver, 1)])
    batch = [fix_of(driver, 2), fix_of(FAR_AWAY)]
    assert upsert_and_compare(batch) == ({FAR_AWAY}, {driver: fix_of(driver, 1)})


def test_what_was_replaced_is_known_beside_a_fix_that_cannot_be_stored(driver):
    upsert([fix_of(driver, 1)])
    batch = [fix_of(driver, 2), fix_of(FAR_AWAY, accuracy=object())]
    with pytest.raises(PartlyStoredError) as raised:
        upsert_and_compare(batch)
    assert raised.value.unstored == {FAR_AWAY}
    assert raised.value.replaced == {driver: fix_of(driver, 1)}
    assert stored(driver) == fix_of(driver, 2)
    assert stored(driver) == fix_of(driver, 2)


def test_one_of_two_workers_that_compare_sees_what_the_other_stored(database):
    """In each round both store all drivers; the first replaces the fixes of the round before."""
    ids = drivers(20)
    upsert([fix_of(driver_id) for driver_id in ids])
    start = threading.Barrier(2)
    replaced = [[], []]

    def work(worker):
        try:
            for second in range(1, 11):
                start.wait(10)
                batch = [fix_of(pk, second, latitude=float(worker)) for pk in ids]
                replaced[worker].append(upsert_and_compare(batch)[1])
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(worker,)) for worker in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for second, found in enumerate(zip(*replaced, strict=True), start=1):
        for driver_id in ids:
            seen = {fix[driver_id].recorded_at for fix in found}
            assert seen == {
                fix_of(second=second - 1).recorded_at,
                fix_of(second=second).recorded_at,
            }
