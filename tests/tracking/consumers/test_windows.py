"""Change of a policy's time window while a stream is open."""

from datetime import UTC, datetime, timedelta

import pytest

from tracking.permissions import Window
from tracking.runtime import get_runtime

from ..sockets import token_for

pytestmark = pytest.mark.django_db(transaction=True)

since = None


def windowed(user, driver_id):
    return True if user.pk == driver_id else Window(since=since)


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
