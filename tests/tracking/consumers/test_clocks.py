"""Phones with wrong clocks, and phones that send old measurements."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tracking.access.session import Session
from tracking.protocol import encode_location
from tracking.runtime import get_runtime

from ..sockets import stored, token_for

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


def on_a_clock(behind, age=0.0):
    return (datetime.now(UTC) - behind - timedelta(seconds=age)).isoformat()


@pytest.fixture
def report(connect, driver):
    """Return a function that reports one fix, from a phone that it connects at the first call."""
    phone = None

    async def report(**fix):
        nonlocal phone
        phone = phone or await connect("set", driver)
        await phone.send({"token": token_for(driver), "command": "send", "lat": 1, "lon": 2, **fix})
        return await phone.frame()

    return report


async def start(socket, rider, **options):
    await socket.send({"token": token_for(rider), "command": "start", **options})
    return json.loads(await socket.frame())


async def test_a_phone_an_hour_behind_is_seen_from_its_fifth_fix(
    connect, located, driver, rider, report
):
    # The stored place is a minute old, from when the phone's clock was right.
    first = await connect("set", driver)
    await first.send(
        {
            "token": token_for(driver),
            "command": "send",
            "lat": 0,
            "lon": 0,
            "recorded_at": on_a_clock(HOUR * 0, 60),
        }
    )
    await first.frame()
    watcher = await connect("get", driver)
    assert (await start(watcher, rider, details=True))["location_lat"] == "0"
    for lat in range(1, 7):
        assert await report(lat=lat, recorded_at=on_a_clock(HOUR)) == encode_location(lat, 2)
    frames = [json.loads(await watcher.frame()) for _ in range(6)]
    # Until the fifth fix the phone counts as heard, but the place stays, with its age.
    assert [frame["location_lat"] for frame in frames] == ["0"] * 4 + ["5", "6"]
    assert [frame["status"] for frame in frames] == ["stale"] * 4 + ["live"] * 2
    assert [frame["clock_offset"] for frame in frames[:4]] == [None] * 4
    assert frames[5]["clock_offset"] == pytest.approx(3600, abs=2)
    kept = await stored(driver)
    assert (kept.latitude, kept.clock_offset) == (6, frames[5]["clock_offset"])
    assert kept.received_at - kept.recorded_at < timedelta(seconds=2)


async def test_a_correction_outlives_the_connection_and_the_process(driver, report, connect):
    for lat in range(1, 6):
        await report(lat=lat, recorded_at=on_a_clock(HOUR))
    offset = (await stored(driver)).clock_offset
    assert offset is not None
    # Clear the process's memory, so that only the stored row is left.
    phone = await connect("set", driver)
    get_runtime().clocks._clocks.clear()
    fix = {"lat": 9, "lon": 2, "recorded_at": on_a_clock(HOUR)}
    await phone.send({"token": token_for(driver), "command": "send", **fix})
    await phone.frame()
    kept = await stored(driver)
    assert (kept.latitude, kept.clock_offset) == (9, pytest.approx(offset, abs=1))
    assert kept.received_at - kept.recorded_at < timedelta(seconds=2)


@pytest.mark.parametrize("command", ["send", "send_batch"])
async def test_a_message_that_says_when_it_was_sent_is_corrected_at_once(driver, connect, command):
    phone = await connect("set", driver)
    fix = {"lat": 1, "lon": 2, "recorded_at": on_a_clock(HOUR, 20)}
    fix = fix if command == "send" else {"fixes": [fix]}
    await phone.send(
        {"token": token_for(driver), "command": command, "sent_at": on_a_clock(HOUR), **fix}
    )
    assert await phone.frame() == encode_location(1, 2)
    kept = await stored(driver)
    assert kept.clock_offset == pytest.approx(3600, abs=1)
    assert (kept.received_at - kept.recorded_at).total_seconds() == pytest.approx(20, abs=1)


@pytest.mark.parametrize("sent_at", ["2026-01-31T12:00:00", 5, "yesterday", ""])
async def test_a_time_of_sending_that_is_none_is_refused_with_what_would_be_right(report, sent_at):
    error = json.loads(await report(sent_at=sent_at))["error"]
    assert error["code"] == "invalid_message"
    assert error["message"].startswith("sent_at must be a time with its offset")


@pytest.mark.parametrize("wrong", ["sent_at", "recorded_at"])
async def test_a_time_that_has_no_utc_is_refused_by_its_own_name(report, wrong):
    times = dict.fromkeys(("sent_at", "recorded_at"), on_a_clock(timedelta()))
    error = json.loads(await report(**times | {wrong: "0001-01-01T00:00:00+14:00"}))["error"]
    assert error["message"].startswith(f"{wrong} must be a time with its offset")


async def test_a_backlog_of_four_hours_is_shown_as_old_from_a_phone_that_is_online(
    connect, driver, rider, report
):
    for minutes in (4 * 60, 4 * 60 - 1, 4 * 60 - 2):
        await report(lat=minutes % 60, recorded_at=on_a_clock(HOUR * 0, 60 * minutes))
    frame = await start(await connect("get", driver), rider, details=True)
    assert frame["location_lat"] == "58"
    assert frame["status"] == "stale"
    measured, heard = (datetime.fromisoformat(frame[key]) for key in ("recorded_at", "heard_at"))
    assert (heard - measured).total_seconds() == pytest.approx(238 * 60, abs=5)
    assert frame["clock_offset"] is None


async def test_a_phone_that_repeats_one_fix_counts_as_heard_and_not_offline(
    connect, driver, rider, report, settings
):
    settings.TRACKING = settings.TRACKING | {"STALE_AFTER": 0.1, "OFFLINE_AFTER": 0.4}
    fix = {"recorded_at": on_a_clock(HOUR * 0)}
    await report(**fix)
    watcher = await connect("get", driver)
    frame = await start(watcher, rider, details=True)
    first = frame["recorded_at"]
    statuses = []
    began = datetime.now(UTC)
    while datetime.now(UTC) - began < timedelta(seconds=1.2):
        await report(**fix)
        frame = json.loads(await watcher.frame())
        statuses.append(frame["status"])
        assert frame["recorded_at"] == first
    assert "offline" not in statuses
    assert statuses[-1] == "stale"
    # Then the phone sends nothing more.
    while frame["status"] != "offline":
        frame = json.loads(await watcher.frame())


async def test_a_wait_for_the_database_is_no_error_of_the_phone_s_clock(
    connect, driver, monkeypatch
):
    phone = await connect("set", driver)
    clock = get_runtime().clock
    authenticate = Session.authenticate

    async def slowly(self, token):
        await authenticate(self, token)
        now = clock.now
        monkeypatch.setattr(clock, "now", lambda: now() + timedelta(seconds=20))

    monkeypatch.setattr(Session, "authenticate", slowly)
    now = datetime.now(UTC).isoformat()
    payload = {"token": token_for(driver), "command": "send", "lat": 1, "lon": 2}
    await phone.send(payload | {"recorded_at": now, "sent_at": now})
    await phone.frame()
    kept = await stored(driver)
    assert (kept.recorded_at.isoformat(), kept.clock_offset) == (now, None)
