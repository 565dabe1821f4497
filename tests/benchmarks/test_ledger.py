"""The load generator's checks: wrong frames and wrong rows of a server void the run."""

import pytest

from benchmarks.load.ledger import (
    DriverLedger,
    MismatchError,
    WatcherLedger,
    check_history,
    check_rows,
)
from benchmarks.load.wire import LATITUDES, location, longitude


@pytest.fixture
def driver():
    """Return the ledger of driver 7, who has sent fixes 1 to 3."""
    ledger = DriverLedger(7)
    for _ in range(3):
        ledger.send()
    return ledger


def row(driver_id, sequence):
    return driver_id, float(LATITUDES[sequence]), float(longitude(driver_id))


def test_acknowledgements_in_the_order_of_the_sends_pass(driver):
    assert [driver.acknowledge(location(7, sequence)) for sequence in (1, 2, 3)] == [1, 2, 3]


def test_a_frame_without_spaces_names_the_same_fix(driver):
    assert driver.acknowledge(location(7, 1).replace(b" ", b"")) == 1


@pytest.mark.parametrize(
    "sequences",
    [(1, 1), (2,), (1, 3), (1, 2, 1), (1, 2, 3, 4)],
    ids=["repeated", "too early", "one left out", "gone back", "never sent"],
)
def test_an_acknowledgement_out_of_order_voids_the_run(driver, sequences):
    *first, last = sequences
    for sequence in first:
        driver.acknowledge(location(7, sequence))
    with pytest.raises(MismatchError, match="driver 7: acknowledgement of fix"):
        driver.acknowledge(location(7, last))


@pytest.mark.parametrize(
    "payload",
    [
        location(8, 1),
        location(7, 1).replace(b"10.0000011", b"10.000001"),
        location(7, 1).replace(b"10.", b"11."),
        location(7, 1).replace(b"_lat", b"_lon"),
        b'{"error": {"code": "forbidden", "message": "no"}}',
        b"",
    ],
    ids=["another driver's", "rounded", "never sent", "wrong key", "an error", "empty"],
)
def test_an_echo_of_something_else_voids_the_run(driver, payload):
    with pytest.raises(MismatchError, match="driver 7"):
        driver.acknowledge(payload)


def test_a_watcher_may_miss_fixes_between_two_frames(driver):
    watcher = WatcherLedger(driver)
    assert [watcher.deliver(location(7, sequence)) for sequence in (0, 1, 3)] == [0, 1, 3]


@pytest.mark.parametrize(
    "sequences", [(2, 1), (2, 2), (4,)], ids=["gone back", "repeated", "not sent yet"]
)
def test_a_delivery_that_is_not_news_voids_the_run(driver, sequences):
    watcher = WatcherLedger(driver)
    *first, last = sequences
    for sequence in first:
        watcher.deliver(location(7, sequence))
    with pytest.raises(MismatchError, match="a watcher of driver 7"):
        watcher.deliver(location(7, last))


def test_a_delivery_that_another_watcher_had_is_still_checked(driver):
    ahead, behind = WatcherLedger(driver), WatcherLedger(driver)
    ahead.deliver(location(7, 3))
    ahead_again = location(7, 3)
    behind.deliver(ahead_again)
    with pytest.raises(MismatchError, match="fix 3 after 3"):
        behind.deliver(ahead_again)


@pytest.mark.parametrize("sequence", [2, 3], ids=["newest acknowledged", "newer, still open"])
def test_the_newest_acknowledged_fix_or_a_newer_one_is_stored(sequence):
    check_rows([row(7, sequence), row(8, 0)], sent={7: 3, 8: 0}, acknowledged={7: 2, 8: 0})


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "no row"),
        ([row(8, 2)], "no row"),
        ([row(7, 1)], "holds fix 1, acknowledged is 2"),
        ([row(7, 4)], "holds fix 4"),
        ([(7, *row(8, 2)[1:])], "never sent"),
        ([(7, 1.5, float(longitude(7)))], "never sent"),
    ],
    ids=["missing", "another's", "lost", "never sent", "another's place", "elsewhere"],
)
def test_a_row_that_is_not_the_newest_acknowledged_fix_voids_the_run(rows, reason):
    with pytest.raises(MismatchError, match=reason):
        check_rows(rows, sent={7: 3}, acknowledged={7: 2})


@pytest.mark.parametrize("kept", [(1, 2), (2, 1, 3)], ids=["acknowledged", "and open"])
def test_a_history_of_every_acknowledged_fix_passes(kept):
    rows = [row(7, sequence) for sequence in kept]
    check_history(rows, sent={7: 3, 8: 0}, acknowledged={7: 2, 8: 0})


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "lacks 2 of 2 acknowledged fixes, the first is 1"),
        ([row(7, 1), row(7, 3)], "lacks 1 of 2 acknowledged fixes, the first is 2"),
        ([row(7, 1), row(7, 2), row(7, 1)], "has fix 1 twice"),
        ([row(7, 1), row(7, 2), row(7, 4)], "has fix 4, never sent"),
        ([row(7, 1), row(7, 2), row(8, 1)], "has fix 1, never sent"),
        ([row(7, 1), (7, *row(8, 2)[1:])], "never sent"),
    ],
    ids=["empty", "lost", "twice", "never sent", "of nobody", "another's place"],
)
def test_a_history_that_lacks_or_adds_a_fix_voids_the_run(rows, reason):
    with pytest.raises(MismatchError, match=reason):
        check_history(rows, sent={7: 3}, acknowledged={7: 2})
