"""Implausible fixes wait before they move the dot."""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from tracking.pipeline import gate as gate_module
from tracking.pipeline.gate import Gate

from ..fakes import Log, fix_of, within_deadline

# In degrees of latitude: about 11 m and 11 km.
STEP, FAR = 0.0001, 0.1


def measured(second, latitude=1.5, **rest):
    """Return a fix that the device dated, and that arrived 0.1 s later."""
    fix = fix_of(19, second, latitude, **rest)
    return msgspec.structs.replace(fix, received_at=fix.received_at + timedelta(seconds=0.1))


@pytest.fixture
def released():
    return Log()


@pytest.fixture
async def gate(released):
    gate = Gate(released.append)
    yield gate
    gate.close()


def drive(gate, count=3):
    """Choose fixes of a car that moves plausibly; return the last."""
    for number in range(count):
        fix = measured(5 * number, 1.5 + number * STEP)
        assert gate.choose([fix]) is fix
    return fix


def is_sign_of_life(shown, good, fix):
    return (shown.latitude, shown.recorded_at, shown.heard_at) == (
        good.latitude,
        good.recorded_at,
        fix.received_at,
    )


@pytest.mark.parametrize("rest", [{"accuracy": 500.0}, {"mock": True}])
async def test_a_jump_does_not_move_the_dot_after_another_implausible_fix_either(gate, rest):
    good = msgspec.structs.replace(
        drive(gate, 5), accuracy=5.0, recorded_at=measured(21).recorded_at
    )
    assert gate.choose([good]) is good
    for fix in (measured(25, **rest), measured(30, 1.5 + FAR, accuracy=5.0)):
        assert is_sign_of_life(gate.choose([fix]), good, fix)


async def test_a_jump_does_not_move_the_dot_if_the_next_fix_returns(gate, released):
    good = drive(gate)
    jump, back = measured(15, 1.5 + FAR), measured(20, good.latitude + STEP)
    assert is_sign_of_life(gate.choose([jump]), good, jump)
    assert gate.choose([back]) is back
    gate.close()
    assert released == []


async def test_a_jump_that_the_next_fix_confirms_moves_the_dot_with_it(gate, released):
    drive(gate)
    gate.choose([measured(15, 1.5 + FAR)])
    there = measured(20, 1.5 + FAR + STEP)
    assert gate.choose([there]) is there
    gate.close()
    assert released == []


async def test_a_jump_after_which_nothing_comes_moves_the_dot_in_the_end(
    gate, released, monkeypatch
):
    monkeypatch.setattr(gate_module, "HOLD", 0.01)
    drive(gate)
    jump = measured(15, 1.5 + FAR)
    gate.choose([jump])
    await released.reach(1)
    assert released == [jump]
    # It is the good one from now on.
    there = measured(20, 1.5 + FAR + STEP)
    assert gate.choose([there]) is there


async def test_of_two_fixes_alone_neither_is_a_jump(gate):
    first, far = measured(0), measured(5, 1.5 + FAR)
    assert gate.choose([first]) is first
    assert gate.choose([far]) is far


async def test_fixes_that_all_jump_move_the_dot(gate):
    drive(gate)
    gate.choose([measured(15, 1.5 + FAR)])
    for number in range(2, 9):
        fix = measured(15 + 5 * number, 1.5 + number * FAR)
        assert gate.choose([fix]) is fix


async def test_a_backlog_moves_the_dot_as_it_comes(gate):
    for number in range(5):
        fix = measured(5 * number, 1.5 + (FAR if number == 4 else number * STEP))
        late = msgspec.structs.replace(fix, received_at=fix.received_at + timedelta(seconds=9))
        assert gate.choose([late]) is late


async def test_times_of_arrival_make_no_jump(gate):
    for number in range(4):
        fix = fix_of(19, number / 1000, 1.5 + number * FAR)
        assert gate.choose([fix]) is fix


async def test_a_simulated_location_waits_and_a_real_one_replaces_it(gate, released, monkeypatch):
    monkeypatch.setattr(gate_module, "HOLD", 0.05)
    good = drive(gate)
    mock = measured(15, good.latitude, mock=True)
    assert is_sign_of_life(gate.choose([mock]), good, mock)
    real = measured(20, good.latitude)
    assert gate.choose([real]) is real
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await released.reach(1)


async def test_simulated_locations_alone_move_the_dot_with_the_newest_after_the_hold(
    gate, released, monkeypatch
):
    monkeypatch.setattr(gate_module, "HOLD", 0.05)
    good = drive(gate)
    mocks = [measured(15 + second, good.latitude, mock=True) for second in range(3)]
    for mock in mocks:
        gate.choose([mock])
    await within_deadline(released.reach(1))
    assert released == [mocks[-1]]


async def test_an_inaccurate_fix_waits_beside_an_accurate_one(gate):
    good = measured(0, accuracy=8.0)
    gate.choose([good])
    vague = measured(5, accuracy=900.0)
    assert is_sign_of_life(gate.choose([vague]), good, vague)


async def test_a_late_fix_is_passed_on_for_others_to_order(gate):
    drive(gate)
    late = measured(1, 1.5 + FAR)
    assert gate.choose([late]) is late


async def test_a_batch_shows_its_newest_fix_and_judges_all_of_them(gate):
    good = drive(gate)
    batch = [measured(15, good.latitude + STEP), measured(20, 1.5 + FAR)]
    assert is_sign_of_life(gate.choose(batch), batch[0], batch[1])


async def test_the_oldest_driver_is_forgotten_beyond_the_limit(gate, released, monkeypatch):
    monkeypatch.setattr(gate_module, "MAX_DRIVERS", 2)
    gate.choose([fix_of(1)])
    gate.choose([fix_of(1, 1, mock=True)])
    for driver_id in (2, 3):
        gate.choose([fix_of(driver_id)])
    assert released == [fix_of(1, 1, mock=True)]
    mock = fix_of(1, 2, mock=True)
    assert gate.choose([mock]) is mock
