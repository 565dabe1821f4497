"""The initial state of a device's clock: known in this process, or stored in the database."""

import asyncio

import msgspec
import pytest

from tracking.pipeline import clocks as clocks_module
from tracking.pipeline.clocks import DeviceClocks

from ..fakes import fix_of


class Stored:
    """The stored fixes, with the number of queries for them."""

    def __init__(self, fix=None):
        self.fix = fix
        self.error = None
        self.asked = []

    async def __call__(self, driver_id):
        self.asked.append(driver_id)
        if self.error is not None:
            raise self.error
        return self.fix


def behind(seconds):
    return msgspec.structs.replace(fix_of(), clock_offset=seconds)


@pytest.mark.parametrize(
    ("fix", "offset"), [(None, None), (fix_of(), None), (behind(3600.0), 3600.0)]
)
async def test_a_device_that_connects_begins_with_the_offset_of_the_stored_fix(fix, offset):
    assert (await DeviceClocks(Stored(fix)).new(19)).offset == offset


async def test_a_database_that_fails_leaves_the_clock_to_be_judged_anew(caplog, monkeypatch):
    monkeypatch.setattr(clocks_module.logger, "filters", [])
    stored = Stored(behind(3600.0))
    stored.error = ConnectionError("no connection")
    assert (await DeviceClocks(stored).new(19)).offset is None
    assert "no connection" in caplog.text


async def test_a_database_that_hangs_delays_no_fix(monkeypatch):
    monkeypatch.setattr(clocks_module, "LOAD_TIMEOUT", 0.01)

    async def hang(driver_id):
        await asyncio.Event().wait()

    assert (await DeviceClocks(hang).new(19)).offset is None


async def test_each_device_of_a_driver_has_a_clock_that_is_kept():
    stored = Stored()
    clocks = DeviceClocks(stored)
    phone, tablet = await clocks.of(19, 1), await clocks.of(19, 2)
    assert phone is not tablet
    assert await clocks.of(19, 1) is phone
    assert await clocks.of(20, 1) is not phone
    assert stored.asked == [19, 19, 20]


async def test_the_oldest_clocks_make_room(monkeypatch):
    monkeypatch.setattr(clocks_module, "MAX_CLOCKS", 2)
    clocks = DeviceClocks(Stored())
    first, second, third = [await clocks.of(19, device) for device in (1, 2, 3)]
    assert await clocks.of(19, 2) is second
    assert await clocks.of(19, 3) is third
    assert await clocks.of(19, 1) is not first
