"""The ledger's counts, on which the result of every scenario depends."""

import json

import pytest

from .ledger import (
    DriverLedger,
    Ledger,
    WatcherLedger,
    WrongFrameError,
    all_numbers,
    location,
    numbers,
)


def frame(number, driver_id=7):
    lat, lon = (str(float(degrees)) for degrees in location(driver_id, number))
    return json.dumps({"location_lat": lat, "location_lon": lon})


@pytest.fixture
def driver():
    return DriverLedger(7)


@pytest.fixture
def watcher(driver):
    return WatcherLedger(driver)


@pytest.fixture
def ledger(driver, watcher):
    ledger = Ledger()
    ledger.drivers[7] = driver
    ledger.watchers.append(watcher)
    return ledger


def send(driver, *times):
    for at in times:
        driver.send(at)


def test_a_row_names_the_fix_it_came_from():
    assert numbers([(7, *map(float, location(7, 123)))]) == {7: 123}


def test_rows_of_the_history_name_the_fixes_they_came_from():
    rows = [(7, *map(float, location(7, number))) for number in (123, 9)]
    assert all_numbers(rows) == {7: {9, 123}}


@pytest.mark.parametrize("read", [numbers, all_numbers])
def test_a_row_of_another_driver_is_noticed(read):
    with pytest.raises(WrongFrameError):
        read([(8, *map(float, location(7, 123)))])


def test_a_fix_that_is_kept_twice_is_noticed():
    row = (7, *map(float, location(7, 123)))
    with pytest.raises(WrongFrameError):
        all_numbers([row, row])


def test_a_fix_that_was_never_sent_is_noticed(driver, watcher):
    send(driver, 1.0)
    with pytest.raises(WrongFrameError):
        watcher.deliver(frame(2), 2.0)


def test_an_error_frame_is_noticed(watcher):
    with pytest.raises(WrongFrameError):
        watcher.deliver('{"error": {"code": "x", "message": "y"}}', 1.0)


def test_a_location_from_before_the_last_one_is_noticed(driver, watcher):
    send(driver, 1.0, 2.0)
    watcher.deliver(frame(2), 2.0)
    with pytest.raises(WrongFrameError):
        watcher.deliver(frame(1), 3.0)


def test_a_new_connection_begins_with_a_snapshot(driver, watcher):
    send(driver, 1.0, 2.0)
    watcher.deliver(frame(2), 2.0)
    watcher.connect()
    watcher.deliver(frame(2), 3.0)


def test_acknowledgements_come_in_the_order_of_the_sends(driver):
    send(driver, 1.0, 2.0)
    driver.acknowledge(frame(1), 3.0)
    driver.acknowledge(frame(2), 3.0)
    with pytest.raises(WrongFrameError):
        driver.acknowledge(frame(1), 4.0)
    assert driver.skipped == 0


def test_an_acknowledgement_stands_for_those_before_it_which_are_counted(driver):
    send(driver, 1.0, 2.0, 3.0)
    driver.acknowledge(frame(3), 4.0)
    assert (driver.acknowledged, driver.settled, driver.skipped) == (3, True, 2)


def test_each_fix_acknowledged_and_not_kept_is_lost_even_if_a_newer_one_is_kept(driver, ledger):
    send(driver, 1.0, 2.0, 3.0)
    driver.acknowledge(frame(1), 3.0)
    driver.acknowledge(frame(2), 3.0)
    histories = ({}, {7: {2}}, {7: {3}}, {7: {1, 2}}, {7: {1, 2, 3}})
    assert [ledger.lost(kept) for kept in histories] == [2, 1, 2, 0, 0]


def test_a_last_known_location_older_than_an_acknowledged_fix_is_outdated(driver, ledger):
    send(driver, 1.0, 2.0, 3.0)
    driver.acknowledge(frame(1), 3.0)
    driver.acknowledge(frame(2), 3.0)
    assert [ledger.outdated(stored) for stored in ({}, {7: 1}, {7: 2}, {7: 3})] == [2, 1, 0, 0]


def test_a_fix_stored_and_not_sent_is_noticed(driver, ledger):
    send(driver, 1.0)
    with pytest.raises(WrongFrameError):
        ledger.outdated({7: 2})
    with pytest.raises(WrongFrameError):
        ledger.lost({7: {1, 2}})


def test_a_gap_is_the_longest_time_without_a_frame_the_ends_included(driver, watcher):
    send(driver, 1.0, 2.0)
    watcher.deliver(frame(1), 1.5)
    watcher.deliver(frame(2), 2.0)
    assert watcher.gap(0.0, 3.0) == 1.5
    assert watcher.gap(1.4, 6.0) == 4.0


def test_lateness_counts_from_the_first_fix_that_was_waited_for(driver, watcher):
    send(driver, 1.0, 2.0, 3.0)
    watcher.deliver(frame(1), 1.25)
    watcher.deliver(frame(3), 4.0)
    assert watcher.lateness(0.0, 10.0) == 2.0
    assert watcher.prompt_since(0.5, 10.0) == 4.0


def test_a_fix_that_never_arrives_is_late_too(driver, watcher):
    send(driver, 1.0, 2.0)
    watcher.deliver(frame(1), 1.25)
    assert watcher.lateness(0.0, 10.0) == 8.0


def test_a_fix_that_arrives_after_the_time_in_question_was_late_in_it(driver, watcher):
    send(driver, 1.0, 2.0, 8.0)
    watcher.deliver(frame(1), 1.25)
    watcher.deliver(frame(3), 9.0)
    assert watcher.lateness(0.0, 6.0) == 4.0
    assert watcher.lateness(0.0, 1.5) == 0.25


def test_a_watcher_without_the_newest_fix_is_behind(driver, watcher, ledger):
    send(driver, 1.0, 2.0)
    watcher.deliver(frame(1), 1.5)
    assert ledger.behind() == [watcher]
    watcher.deliver(frame(2), 2.5)
    assert ledger.behind() == []


def test_storing_works_again_when_the_last_driver_has_an_acknowledgement(driver, ledger):
    other = ledger.drivers[8] = DriverLedger(8)
    for sender, at in ((driver, 5.0), (other, 6.0)):
        sender.send(1.0)
        sender.acknowledge(frame(1, sender.driver_id), at)
    assert ledger.acknowledged_again(4.0) == 6.0
