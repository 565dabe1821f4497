"""Erasing one driver's history, and keeping it erased."""

import json
import logging
import stat
from contextlib import ExitStack
from datetime import datetime, timedelta
from threading import Event as Flag
from time import monotonic, sleep

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connections, transaction
from django.db.models.signals import post_delete
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tracking.events import of_driver
from tracking.events import store as store_events
from tracking.fix import Fix
from tracking.history import erasure, erasure_log, in_flight, packer
from tracking.history.erasure import (
    ErasureFailed,
    apply_erasures,
    erase,
    erase_deleted_user,
)
from tracking.history.erasure_log import ErasureLogError
from tracking.history.packer import pack_day
from tracking.history.partitions import create_days, history_db, rewriting, start_of
from tracking.history.retention import hold, release
from tracking.history.writer import HistorySink
from tracking.models import (
    DriverLocation,
    Event,
    EventType,
    HistoryErasure,
    HistoryFix,
    HistoryHold,
    HistorySegment,
    LocationAccess,
    Zone,
    ZoneVisit,
)
from tracking.pipeline.rows import upsert

from ..fakes import DEADLINE
from ..rows import drivers
from .rows import (
    day_ago,
    fixes_at,
    hot,
    insert,
    kept,
    packed,
    running,
)

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgresql"]),
    pytest.mark.usefixtures("no_partitions"),
]

on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)

DAY, LATER = day_ago(10), day_ago(9)
ONE, TWO = 900_019, 900_020


@pytest.fixture
def log(tmp_path, settings):
    path = tmp_path / "erasures"
    settings.TRACKING = settings.TRACKING | {"ERASURE_LOG": str(path)}
    return path


def at(day, second):
    return start_of(day) + timedelta(seconds=second)


def locate(driver, recorded_at):
    DriverLocation.objects.using(history_db()).create(
        driver_id=driver,
        latitude=1,
        longitude=2,
        recorded_at=recorded_at,
        received_at=recorded_at,
    )


def is_located(driver):
    return DriverLocation.objects.using(history_db()).filter(pk=driver).exists()


def erasures():
    rows = HistoryErasure.objects.using(history_db()).order_by("before")
    return list(rows.values_list("driver_id", "before"))


def test_everything_of_one_driver_is_erased_and_nothing_of_others(keep):
    keep(ONE, fixes_at(DAY, 10, 3700))
    keep(TWO, fixes_at(DAY, 10))
    keep(ONE, fixes_at(LATER, 10))
    begun = timezone.now()
    assert erase(ONE) == (3, 0, False)
    assert kept(ONE) == []
    assert kept(TWO) == fixes_at(DAY, 10)
    ((driver, before),) = erasures()
    assert driver == ONE
    assert begun <= before <= timezone.now()


def test_visits_to_zones_and_their_events_are_erased_with_the_track():
    zone = Zone.objects.create(name="Airport", latitude=60.3, longitude=24.9, radius=500)
    one, other = drivers(2)
    begin = start_of(DAY)
    for driver in (one, other):
        for hours, ends in ((1, True), (2, False), (30, True)):
            at = begin + timedelta(hours=hours)
            ended = at + timedelta(minutes=5) if ends else None
            ZoneVisit.objects.create(zone=zone, driver_id=driver, entered_at=at, exited_at=ended)
            store_events([of_driver(driver, EventType.ZONE_ENTERED, at)])
            store_events([of_driver(driver, EventType.DRIVER_STATE_CHANGED, at)])
    erase(one, start_of(LATER))
    assert ZoneVisit.objects.filter(driver=one).count() == 2
    assert ZoneVisit.objects.filter(driver=other).count() == 3
    kinds = [event.type for event in Event.objects.filter(driver=one)]
    assert (kinds.count("zone.entered"), kinds.count("driver.state_changed")) == (1, 3)
    assert Event.objects.filter(driver=other).count() == 6


def test_an_hour_that_is_erased_in_part_keeps_the_rest(keep):
    keep(ONE, fixes_at(DAY, 10, 3700, 3800, 3900, 7300))
    assert erase(ONE, at(DAY, 3800)).fixes == 2
    assert kept(ONE) == fixes_at(DAY, 3800, 3900, 7300)
    # Once more, with what is hot and packed.
    insert(ONE, fixes_at(DAY, 3850))
    assert erase(ONE, at(DAY, 3900)).fixes == 2
    assert kept(ONE) == fixes_at(DAY, 3900, 7300)
    assert erase(ONE, at(DAY, 3900)) == (0, 0, False)


def test_a_damaged_segment_does_not_stop_an_erasure():
    insert(ONE, fixes_at(DAY, 10, 20))
    pack_day(DAY)
    HistorySegment.objects.using(history_db()).update(data=b"\x09damaged")
    erase(ONE, at(DAY, 15))
    assert packed() == 0


def test_a_damaged_segment_that_is_held_stops_no_erasure():
    for driver in (ONE, TWO):
        insert(driver, fixes_at(DAY, 10, 3700))
    pack_day(DAY)
    damaged = HistorySegment.objects.using(history_db()).filter(driver_id=ONE, hour=at(DAY, 0))
    damaged.update(data=b"\x09damaged")
    hold("T-7", ONE, at(DAY, 0), at(DAY, 60))
    assert erase(ONE) == (1, 1, False)
    assert packed(ONE) == 1
    erase(TWO)
    insert(TWO, fixes_at(LATER, 10))
    assert apply_erasures() == (1, 1)
    release("T-7")
    assert apply_erasures() == (1, 1)
    assert packed() == 0


def test_an_erasure_that_fails_stops_no_other(keep, monkeypatch):
    for driver in (ONE, TWO):
        erase(driver)
        keep(driver, fixes_at(DAY, 10))  # as from a backup
    remove = erasure.remove

    def fail_once(driver, *args):
        if driver == ONE:
            raise OperationalError("deadlock detected")
        return remove(driver, *args)

    monkeypatch.setattr(erasure, "remove", fail_once)
    with pytest.raises(ErasureFailed, match=rf"driver {ONE} \(deadlock detected\)"):
        apply_erasures()
    assert len(kept(ONE)) == 1
    assert kept(TWO) == []
    monkeypatch.undo()
    assert apply_erasures() == (1, 1)


def test_a_time_in_the_future_erases_until_now():
    erase(ONE, timezone.now() + timedelta(days=3))
    ((_, before),) = erasures()
    assert before <= timezone.now()


def test_a_time_without_a_time_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        erase(ONE, datetime(2026, 1, 1))
    assert erasures() == []


def test_the_last_known_location_is_deleted_if_it_is_older():
    one, two = drivers(2)
    locate(one, at(DAY, 10))
    locate(two, at(DAY, 20))
    assert erase(one, at(DAY, 20)).location is True
    assert erase(two, at(DAY, 20)).location is False
    assert not is_located(one)
    assert is_located(two)


def test_the_audit_trail_stays_and_who_erased_is_stored():
    driver, staff = drivers(2)
    LocationAccess.objects.using(history_db()).create(
        at=at(DAY, 5), way=LocationAccess.Way.TRACK, viewer_id=staff, driver_id=driver
    )
    erase(driver, by=staff)
    assert LocationAccess.objects.using(history_db()).count() == 1
    assert HistoryErasure.objects.using(history_db()).get().erased_by_id == staff


def test_what_is_held_is_kept_until_it_is_released(keep):
    keep(ONE, fixes_at(DAY, 10, 1000, 2000, 3000, 5000))
    hold("T-7", ONE, at(DAY, 1000), at(DAY, 2001))
    hold("T-8", ONE, at(DAY, 4000), at(DAY, 4500))  # keeps nothing
    hold("T-9", ONE, at(DAY, 4900), at(LATER, 0))  # begins after what is erased
    assert erase(ONE, at(DAY, 4800)) == (2, 1, False)
    assert kept(ONE) == fixes_at(DAY, 1000, 2000, 5000)
    assert apply_erasures() == (0, 0)
    assert kept(ONE) == fixes_at(DAY, 1000, 2000, 5000)
    release("T-7")
    assert apply_erasures() == (1, 2)
    assert kept(ONE) == fixes_at(DAY, 5000)


def test_a_hold_that_is_made_after_an_erasure_does_not_protect(keep):
    erase(ONE)
    insert(ONE, fixes_at(DAY, 1000, 5000))  # as from an old backup
    hold("T-7", ONE, at(DAY, 0), at(DAY, 2000))
    assert apply_erasures() == (1, 2)
    assert kept(ONE) == []


def test_a_late_upload_of_what_was_erased_is_not_kept():
    (driver,) = drivers(1)
    erase(driver, at(DAY, 100))
    fixes = [Fix(driver, 1.5, 2.5, at(DAY, second), at(LATER, 0)) for second in (99, 100)]
    upsert([fixes[-1]], [HistorySink()], {driver: fixes})
    assert [fix.recorded_at for fix in kept(driver)] == [at(DAY, 100)]


@on_postgresql
def test_a_fix_that_is_being_stored_is_erased_too():
    (driver,) = drivers(1)
    create_days(HistoryFix, [DAY])
    locate(driver, at(DAY, 0))
    stored, go_on = Flag(), Flag()
    fix = Fix(driver, 1.5, 2.5, at(DAY, 5), at(DAY, 5))

    def store_slowly():
        with transaction.atomic(history_db()):
            upsert([fix], [HistorySink()], {driver: [fix]})
            stored.set()
            assert go_on.wait(DEADLINE)

    with running(store_slowly):
        assert stored.wait(DEADLINE)
        with running(erase, driver) as results:
            go_on.set()
    assert results == [(1, 0, True)]
    assert kept(driver) == []


def until(condition):
    """Wait until a condition is true."""
    end = monotonic() + DEADLINE
    while not condition():
        assert monotonic() < end
        sleep(0.005)


def is_a_statement_waiting():
    with connections[history_db()].cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)")
        return cursor.fetchone()[0]


def store(driver, at):
    """Store a fix in one statement, which has one snapshot for the location and the history."""
    upsert([Fix(driver, 1.5, 2.5, at, at)], [HistorySink()])


@on_postgresql
@pytest.mark.parametrize("located", [True, False])
def test_a_statement_that_began_before_the_erasure_leaves_nothing(located):
    (driver,) = drivers(1)
    create_days(HistoryFix, [DAY])
    if located:
        locate(driver, at(DAY, 0))
    with ExitStack() as stack, transaction.atomic(history_db()):
        # The statement has its snapshot, and waits for this transaction.
        if located:
            DriverLocation.objects.using(history_db()).select_for_update().get(pk=driver)
        else:
            locate(driver, at(DAY, 0))
        stack.enter_context(running(store, driver, at(DAY, 5)))
        until(is_a_statement_waiting)
        results = stack.enter_context(running(erase, driver))
        until(erasures)
        transaction.set_rollback(True, using=history_db())
    assert results == [(1, 0, True)]
    assert kept(driver) == []
    assert not is_located(driver)


@on_postgresql
def test_a_statement_that_begins_during_the_erasure_keeps_nothing_and_does_not_wait(monkeypatch):
    (driver,) = drivers(1)
    create_days(HistoryFix, [DAY])
    locate(driver, at(DAY, 0))
    remove, stored = erasure.remove, []

    def store_then_remove(*args):
        with running(store, driver, at(DAY, 5)) as results:
            until(lambda: results or is_a_statement_waiting())
            stored.extend(results)
            return remove(*args)

    monkeypatch.setattr(erasure, "remove", store_then_remove)
    erase(driver)
    assert stored == [None]
    assert kept(driver) == []


@on_postgresql
def test_workers_do_not_wait_for_an_erasure_that_waits_for_a_packer():
    (driver,) = drivers(1)
    create_days(HistoryFix, [DAY, LATER])
    locate(driver, at(DAY, 0))
    with ExitStack() as stack, rewriting():
        stack.enter_context(running(erase, driver, at(LATER, 0)))
        until(is_a_statement_waiting)
        with running(store, driver, at(LATER, 5)) as results:
            until(lambda: results)
    assert results == [None]
    assert len(kept(driver)) == 1


@on_postgresql
def test_a_transaction_that_does_not_end_delays_an_erasure_only_for_a_while(
    keep, monkeypatch, caplog
):
    monkeypatch.setattr(in_flight, "TIMEOUT", 0.05)
    keep(ONE, fixes_at(DAY, 10, 20))
    with transaction.atomic(history_db()):
        insert(TWO, fixes_at(LATER, 10))
        with running(erase, ONE) as results:
            until(lambda: results)
    assert results == [(2, 0, False)]
    assert f"driver {ONE}, who was erased, is deleted by the next tracking_maintain" in caplog.text


def test_an_erasure_that_is_interrupted_is_completed_by_the_next_run(keep, monkeypatch):
    keep(ONE, fixes_at(DAY, 10, 20))

    def interrupted(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(erasure, "_apply", interrupted)
        with pytest.raises(KeyboardInterrupt):
            erase(ONE, at(DAY, 15))
    assert len(kept(ONE)) == 2
    assert apply_erasures() == (1, 1)
    assert kept(ONE) == fixes_at(DAY, 20)


@on_postgresql
def test_an_erasure_between_its_tombstone_and_its_deletion_is_not_undone_by_packing(monkeypatch):
    insert(ONE, fixes_at(DAY, 10, 1900))
    write, apply = packer._write, erasure._apply
    stored, read = Flag(), Flag()

    def apply_later(tombstone):
        stored.set()
        assert read.wait(DEADLINE)
        return apply(tombstone)

    monkeypatch.setattr(erasure, "_apply", apply_later)
    with running(erase, ONE, at(DAY, 1800)) as results:
        assert stored.wait(DEADLINE)

        def write_after_the_deletion(batch):
            read.set()
            until(lambda: results)
            write(batch)

        monkeypatch.setattr(packer, "_write", write_after_the_deletion)
        pack_day(DAY)
    assert results == [(1, 0, False)]
    assert kept(ONE) == fixes_at(DAY, 1900)


@on_postgresql
@pytest.mark.parametrize("times", [[10, 3700], [10, 1900, 3700]])
def test_an_erasure_during_packing_is_not_undone(monkeypatch, times):
    insert(ONE, fixes_at(DAY, *times))
    insert(TWO, fixes_at(DAY, *times))
    write, erased = packer._write, []

    def erase_then_write(batch):
        if not erased:  # the first hour was read, and is not written yet
            with running(erase, ONE, at(DAY, 1800)) as results:
                pass
            erased.append(results[0].fixes)
        write(batch)

    monkeypatch.setattr(packer, "_write", erase_then_write)
    pack_day(DAY)
    assert erased == [1]
    assert kept(ONE) == fixes_at(DAY, *times[1:])
    assert kept(TWO) == fixes_at(DAY, *times)


def back_up():
    models = (HistoryFix, HistorySegment, HistoryErasure, HistoryHold)
    return {model: list(model.objects.using(history_db())) for model in models}


def restore(backup):
    for model, rows in backup.items():
        model.objects.using(history_db()).all()._raw_delete(history_db())
        model.objects.using(history_db()).bulk_create(rows)


def holds():
    rows = HistoryHold.objects.using(history_db()).order_by("held_at")
    return list(rows.values_list("reference", "driver_id", "since", "until", "released_at"))


def test_a_hold_from_after_the_backup_protects_from_the_erasure_after_it(keep, log):
    keep(ONE, fixes_at(DAY, 10, 20, 3700))
    backup = back_up()
    hold("Fahrt Nr. 7 – Ä", ONE, at(DAY, 15), at(DAY, 25))
    erase(ONE)
    restore(backup)
    assert holds() == []
    for _ in range(2):
        apply_erasures()
        assert kept(ONE) == fixes_at(DAY, 20)
        assert holds() == [("Fahrt Nr. 7 – Ä", ONE, at(DAY, 15), at(DAY, 25), None)]
    release("Fahrt Nr. 7 – Ä")
    apply_erasures()
    assert kept(ONE) == []
    assert len(log.read_text().splitlines()) == 3


def test_a_hold_that_was_released_after_the_backup_protects_no_longer(keep, log):
    keep(ONE, fixes_at(DAY, 10, 20, 3700))
    hold("T-7", ONE, at(DAY, 15), at(DAY, 25))
    hold("T-8", ONE, at(DAY, 3600), at(DAY, 3800))
    backup = back_up()
    erase(ONE)
    release("T-7")
    after = holds()
    restore(backup)
    apply_erasures()
    assert kept(ONE) == fixes_at(DAY, 3700)
    assert holds() == after


def test_a_hold_is_added_to_the_file_later_if_it_could_not_be_written(log, caplog):
    log.mkdir()
    hold("T-7", ONE, at(DAY, 15), at(DAY, 25))
    assert "ERASURE_LOG'] cannot be written" in caplog.text
    log.rmdir()
    apply_erasures()
    backup = holds()
    HistoryHold.objects.using(history_db()).all().delete()
    apply_erasures()
    assert holds() == backup
    with transaction.atomic(history_db()):
        hold("T-8", ONE, at(DAY, 15), at(DAY, 25))
        transaction.set_rollback(True, using=history_db())
    assert len(log.read_text().splitlines()) == 1


def test_a_restored_backup_obeys_the_file(keep, log):
    keep(ONE, fixes_at(DAY, 10, 20, 3700))
    keep(TWO, fixes_at(DAY, 10))
    (three,) = drivers(1)
    locate(three, at(DAY, 10))
    backup = back_up()
    erase(ONE, at(DAY, 20))
    erase(three, at(DAY, 11))
    restore(backup)
    locate(three, at(DAY, 10))
    assert len(kept(ONE)) == 3
    assert apply_erasures() == (2, 1)
    assert kept(ONE) == fixes_at(DAY, 20, 3700)
    assert kept(TWO) == fixes_at(DAY, 10)
    assert not is_located(three)
    assert erasures() == [(three, at(DAY, 11)), (ONE, at(DAY, 20))]
    assert apply_erasures() == (0, 0)
    assert len(erasures()) == 2


def test_the_file_has_a_line_for_each_erasure_and_no_other_user_may_read_it(log):
    erase(ONE, at(DAY, 20))
    erase(TWO)
    first, second = map(json.loads, log.read_text().splitlines())
    assert first["driver"] == ONE
    assert datetime.fromisoformat(first["before"]) == at(DAY, 20)
    assert second["driver"] == TWO
    assert timezone.now() - datetime.fromisoformat(second["erased_at"]) < timedelta(minutes=1)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written_stops_an_erasure_before_it_begins(keep, settings, tmp_path):
    settings.TRACKING = settings.TRACKING | {"ERASURE_LOG": str(tmp_path)}  # a directory
    keep(ONE, fixes_at(DAY, 10))
    with pytest.raises(ErasureLogError, match=r"ERASURE_LOG'\] cannot be written: .*directory"):
        erase(ONE)
    with (
        pytest.raises(ErasureLogError, match="cannot be written"),
        transaction.atomic(history_db()),
    ):
        erase(ONE)
    assert kept(ONE) == fixes_at(DAY, 10)
    assert erasures() == []


def test_a_full_disk_stops_an_erasure_and_damages_no_other_line(log, monkeypatch):
    erase(ONE, at(DAY, 20))
    write = erasure_log.os.write
    monkeypatch.setattr(erasure_log.os, "write", lambda file, data: write(file, data[:9]))
    with pytest.raises(ErasureLogError, match="No space left"):
        erase(TWO, at(DAY, 20))
    monkeypatch.undo()
    erase(TWO, at(DAY, 30))
    HistoryErasure.objects.using(history_db()).all().delete()
    apply_erasures()
    assert erasures() == [(ONE, at(DAY, 20)), (TWO, at(DAY, 30))]


def test_a_transaction_that_is_rolled_back_leaves_no_line(keep, log):
    keep(ONE, fixes_at(DAY, 10))
    with transaction.atomic(history_db()):
        erase(ONE)
        assert kept(ONE) == []
        transaction.set_rollback(True, using=history_db())
    assert log.read_text() == ""
    assert kept(ONE) == fixes_at(DAY, 10)
    with transaction.atomic(history_db()):
        erase(ONE)
    assert len(log.read_text().splitlines()) == 1


def test_damaged_lines_are_named_and_ignored(log, caplog):
    erase(ONE, at(DAY, 20))
    good = log.read_text().strip()
    bad = ["{", '{"driver": "x", "before": 1}', good.replace("Z", ""), good.replace("19", "-19")]
    log.write_text("\n".join([*bad, "", good]))
    HistoryErasure.objects.using(history_db()).all().delete()
    with caplog.at_level(logging.ERROR):
        apply_erasures()
    assert erasures() == [(ONE, at(DAY, 20))]
    assert [message for message in caplog.messages if "ignored" in message] == [
        f"Line {number} of TRACKING['ERASURE_LOG'] is damaged and ignored" for number in range(1, 5)
    ]


def test_a_file_that_cannot_be_read_is_an_error(settings, tmp_path):
    settings.TRACKING = settings.TRACKING | {"ERASURE_LOG": str(tmp_path)}
    with pytest.raises(ErasureLogError, match="cannot be read"):
        apply_erasures()


def test_erasures_from_before_the_file_are_added_to_it(log, settings):
    path = settings.TRACKING["ERASURE_LOG"]
    settings.TRACKING = settings.TRACKING | {"ERASURE_LOG": ""}
    erase(ONE, at(DAY, 20))
    assert not log.exists()
    settings.TRACKING = settings.TRACKING | {"ERASURE_LOG": path}
    apply_erasures()
    apply_erasures()
    (line,) = log.read_text().splitlines()
    assert json.loads(line)["driver"] == ONE


def test_erasures_with_nothing_to_erase_take_one_query_for_all(keep, database):
    keep(ONE, fixes_at(DAY, 10, 20))
    now = timezone.now()
    HistoryErasure.objects.using(history_db()).bulk_create(
        HistoryErasure(driver_id=1_000 + number, before=now, erased_at=now)
        for number in range(1_000)
    )
    with CaptureQueriesContext(connections[database]) as queries:
        assert apply_erasures() == (0, 0)
    assert len(queries) == 1
    assert len(kept(ONE)) == 2


class UsersElsewhere:
    """Routes users to the default database, and everything else to PostgreSQL."""

    def db_for_read(self, model, **hints):
        return "default" if model._meta.app_label == "accounts" else "postgresql"

    db_for_write = db_for_read


@pytest.fixture
def _deletions_erase():
    post_delete.connect(erase_deleted_user, sender=get_user_model())
    yield
    post_delete.disconnect(erase_deleted_user, sender=get_user_model())


@pytest.mark.usefixtures("_deletions_erase")
class TestDeletedUsers:
    def test_deleting_a_user_erases(self, keep, log):
        one, two = drivers(2)
        locate(one, at(DAY, 10))
        keep(one, fixes_at(DAY, 10, 20))
        keep(two, fixes_at(DAY, 10))
        get_user_model().objects.get(pk=one).delete()
        assert kept(one) == []
        assert kept(two) == fixes_at(DAY, 10)
        assert [driver for driver, _ in erasures()] == [one]
        assert json.loads(log.read_text())["driver"] == one

    def test_deleting_many_users_erases(self, keep):
        both = drivers(2)
        for driver in both:
            keep(driver, fixes_at(DAY, 10, 20))
        get_user_model().objects.filter(pk__in=both).delete()
        assert (hot(), packed()) == (0, 0)
        assert sorted(driver for driver, _ in erasures()) == sorted(both)

    def test_what_is_held_is_kept(self, keep):
        (driver,) = drivers(1)
        keep(driver, fixes_at(DAY, 10, 20))
        hold("T-7", driver, at(DAY, 15), at(DAY, 25))
        get_user_model().objects.get(pk=driver).delete()
        assert kept(driver) == fixes_at(DAY, 20)
        release("T-7")
        apply_erasures()
        assert kept(driver) == []

    def test_a_deletion_that_is_rolled_back_erases_nothing(self, keep, log):
        (driver,) = drivers(1)
        keep(driver, fixes_at(DAY, 10, 20))
        with transaction.atomic(history_db()):
            get_user_model().objects.get(pk=driver).delete()
            transaction.set_rollback(True, using=history_db())
        apply_erasures()
        assert kept(driver) == fixes_at(DAY, 10, 20)
        assert erasures() == []

    def test_a_user_without_a_history_leaves_no_erasure(self, settings, log, database):
        settings.TRACKING = settings.TRACKING | {"HISTORY": "off", "HISTORY_DAYS": 0}
        create_days(HistoryFix, [DAY])
        (rider,) = drivers(1)
        with CaptureQueriesContext(connections[database]) as queries:
            get_user_model().objects.get(pk=rider).delete()
        assert len([query for query in queries if "tracking_history" in query["sql"]]) == 2
        assert erasures() == []
        assert not log.exists()

    @on_postgresql
    def test_a_history_in_another_database_is_erased_after_the_commit(self, keep, settings):
        settings.DATABASE_ROUTERS = [UsersElsewhere()]
        user = get_user_model().objects.create_user(email="driver@example.com")
        pk = user.pk
        keep(pk, fixes_at(DAY, 10, 20))
        with transaction.atomic("default"):
            user.delete()
            assert kept(pk) == fixes_at(DAY, 10, 20)
        assert kept(pk) == []

    @on_postgresql
    def test_a_history_in_another_database_that_fails_stops_no_deletion(
        self, settings, monkeypatch, caplog
    ):
        settings.DATABASE_ROUTERS = [UsersElsewhere()]
        user = get_user_model().objects.create_user(email="driver@example.com")

        def unavailable(driver_id):
            raise OperationalError("the database is unavailable")

        monkeypatch.setattr(erasure, "_erase_all", unavailable)
        pk = user.pk
        user.delete()
        assert not get_user_model().objects.exists()
        assert "the database is unavailable" in caplog.text
        assert f"driver {pk}, whose account is deleted, could not be erased" in caplog.text
