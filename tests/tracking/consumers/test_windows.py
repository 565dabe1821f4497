"""Change of a policy's time window while a stream is open."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tracking.permissions import Window
from tracking.runtime import get_runtime

from ..fakes import DEADLINE, settle
from ..sockets import token_for

pytestmark = pytest.mark.django_db(transaction=True)

since = None
permitted = True


def windowed(user, driver_id):
    return True if user.pk == driver_id else permitted and Window(since=since)


async def test_a_window_that_narrows_holds_for_the_open_stream(
    connect, driver, rider, settings, monkeypatch
):
    settings.TRACKING = settings.TRACKING | {"WATCH_POLICY": f"{__name__}.windowed"}
    publisher = await connect("set", driver)
    watcher = await connect("get", driver)
    await publisher.report(token_for(driver), lat=1)
    await publisher.frame()
    await watcher.start(token_for(rider))
    assert '"1"' in await watcher.frame()
    # From now on nothing recorded within the next hour is visible.
    monkeypatch.setattr(f"{__name__}.since", datetime.now(UTC) + timedelta(hours=1))
    (session,) = get_runtime().registry._sessions[rider]
    await session._recheck()
    await publisher.report(token_for(driver), lat=2)
    await publisher.frame()
    assert await watcher.receive_nothing(0.05)
    monkeypatch.setattr(f"{__name__}.since", None)
    await session._recheck()
    assert '"2"' in await watcher.frame()


@pytest.mark.parametrize("details", [False, True])
async def test_the_end_of_the_permission_does_not_show_what_the_window_hid(
    connect, driver, rider, settings, monkeypatch, details
):
    settings.TRACKING = settings.TRACKING | {"WATCH_POLICY": f"{__name__}.windowed"}
    monkeypatch.setattr(f"{__name__}.since", datetime.now(UTC) + timedelta(hours=1))
    publisher = await connect("set", driver)
    await publisher.report(token_for(driver), lat=1)
    await publisher.frame()
    watcher = await connect("get", driver)
    await watcher.send({"token": token_for(rider), "command": "start", "details": details})
    if details:
        assert '"unknown"' in await watcher.frame()
    else:
        assert await watcher.receive_nothing(0.05)
    monkeypatch.setattr(f"{__name__}.permitted", False)
    # Without a frame that says so, the stream may have just begun.
    sessions = get_runtime().registry._sessions
    async with asyncio.timeout(DEADLINE):
        while not sessions.get(rider):
            await settle()
    (session,) = sessions[rider]
    await session._recheck()
    assert '"forbidden"' in await watcher.frame()
    assert await watcher.close_code() == 4403
