"""No answer blocks an app's queue, and none makes it discard a message that could be stored."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.services import Uvicorn

from .client import DEADLINE
from .conftest import DEVELOPMENT_IS_LONG
from .http import call
from .phone_queues import (
    OWNTRACKS,
    TRACCAR,
    OwnTracksAndroid,
    OwnTracksIos,
    Traccar10,
    Traccar10Json,
    Transistor,
    in_shell,
    issue,
)
from .test_rest import database_that_writes_nothing

APPS = [*TRACCAR, *OWNTRACKS]


def name(app):
    return app.__name__


@pytest.fixture(scope="session", params=DEVELOPMENT_IS_LONG)
def stack(request):
    return request.getfixturevalue(f"{request.param}_stack")


@pytest.fixture
def driver_id(phone):
    return phone[0]


@pytest.fixture
def token(phone):
    return phone[1]


def fix(lat, seconds_ago=0, **changes):
    at = int(time.time()) - seconds_ago
    return {"lat": lat, "lon": 1, "timestamp": at, "accuracy": 5, **changes}


@pytest.mark.parametrize("app", APPS, ids=name)
async def test_message_without_a_place_blocks_nothing_behind_it(stack, driver_id, token, app):
    phone = app(token)
    now = int(time.time())
    phone.queue = [
        {"timestamp": now, "batt": 77},
        {"timestamp": now, "alarm": "sos"},
        {"timestamp": now, "cell": "310,410,1,2"},
        {"timestamp": now, "lat": 0, "lon": 0, "accuracy": -1},
        fix(7),
    ]
    assert set(await phone.flush(stack.driver_server.port)) == {200}
    assert (phone.queue, phone.thrown_away) == ([], [])
    assert not any("tracking-rejected" in answer.headers for answer in phone.answers)
    assert stack.stored(driver_id).latitude == 7


@pytest.mark.parametrize("app", APPS, ids=name)
async def test_fix_that_can_never_be_stored_blocks_nothing_behind_it_and_is_reported_as_dropped(
    stack, driver_id, token, app
):
    phone = app(token)
    phone.queue = [
        fix(91, 9),
        fix("north", 8),
        {"lat": 1, "timestamp": int(time.time())},
        fix(1, 7, timestamp="yesterday"),
        fix(7),
    ]
    assert set(await phone.flush(stack.driver_server.port)) == {200}
    assert (phone.queue, phone.thrown_away) == ([], [])
    dropped = [answer for answer in phone.answers if "tracking-rejected" in answer.headers]
    assert len(dropped) == max(1, len(phone.answers) - 1)
    assert stack.stored(driver_id).latitude == 7
    assert "was dropped" in stack.driver_server.log()


async def test_database_that_hangs_makes_no_app_discard_anything(stack, phones):
    used = [(app, *next(phones)) for app in APPS]
    queues = [app(token) for app, _, token in used]
    for phone in queues:
        phone.queue = [fix(5, 5), fix(6, 4)]
    port = stack.driver_server.port
    with database_that_writes_nothing(stack.environment):
        for statuses in await asyncio.gather(*(phone.flush(port) for phone in queues)):
            assert statuses == [503]
    for phone, (_, driver_id, _) in zip(queues, used, strict=True):
        assert phone.answers[0].headers["retry-after"] == "5"
        assert (len(phone.queue), phone.thrown_away) == (2, [])
        assert set(await phone.flush(port)) == {200}
        assert phone.queue == []
        assert stack.stored(driver_id).latitude == 6


async def test_phones_that_catch_up_faster_than_allowed_lose_nothing(stack, phones):
    async def catch_up(app, driver_id, token):
        phone = app(token)
        # So many that they are refused also where each takes 100 ms, on a busy machine.
        phone.queue = [fix(number / 10, 100 - number) for number in range(50)]
        async with asyncio.timeout(3 * DEADLINE):
            while phone.queue:
                await phone.flush(stack.driver_server.port)
                assert phone.thrown_away == []
                if phone.queue:  # Like the app, wait for the time in the answer.
                    await asyncio.sleep(float(phone.answers[-1].headers["retry-after"]))
        assert stack.stored(driver_id).latitude == 4.9
        return {answer.status for answer in phone.answers}

    used = [(app, *next(phones)) for app in APPS]
    answered = await asyncio.gather(*(catch_up(*phone) for phone in used))
    for (app, *_), statuses in zip(used, answered, strict=True):
        if app is not Traccar10Json:  # which sends all at once
            assert statuses <= {200, 503 if app in OWNTRACKS else 429}
    assert {429, 503} <= set().union(*answered)


async def test_phone_whose_token_was_revoked_sends_all_with_a_new_one(stack, phones):
    port = stack.driver_server.port
    used = [(app, *next(phones)) for app in [*TRACCAR, OwnTracksAndroid]]
    ids = [driver_id for _, driver_id, _ in used]
    queues = [app(token) for app, _, token in used]
    in_shell(stack, f"revoke(Device.objects.filter(driver__in={ids}))")
    for phone in queues:
        phone.queue = [fix(5, 5), fix(6, 4)]
        assert await phone.flush(port) == [401], name(type(phone))
        assert len(phone.queue) == 2, name(type(phone))
    tokens = issue(stack, *ids)
    for phone, driver_id, token in zip(queues, ids, tokens, strict=True):
        phone.token = token
        assert set(await phone.flush(port)) == {200}, name(type(phone))
        assert stack.stored(driver_id).latitude == 6, name(type(phone))


async def test_owntracks_is_answered_that_encryption_is_not_supported(stack, driver_id, token):
    encrypted = {"_type": "encrypted", "data": "c2VjcmV0"}
    port = stack.driver_server.port
    android, ios = OwnTracksAndroid(token), OwnTracksIos(token)
    for phone in (android, ios):
        phone.queue = [encrypted, fix(5)]
        await phone.flush(port)
        refused = phone.answers[0]
        assert (refused.status, refused.json()["code"]) == (400, "encrypted")
    # Android keeps the message, and sends it again unencrypted once its owner has removed the key;
    # iOS has shown an alert.
    assert len(android.queue) == 2
    assert (ios.queue, ios.thrown_away) == ([], [encrypted])


async def test_batches_of_a_hosts_own_app_are_never_blocked_by_one_fix(stack, driver_id):
    phone = Transistor(stack.tokens[driver_id], driver_id)

    def measured(lat, seconds_ago):
        at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        # The library's values on iOS for "unknown".
        unknown = {"speed": -1, "heading": -1, "accuracy": 5}
        return {"lat": lat, "lon": 1, "recorded_at": at.isoformat(), **unknown}

    phone.queue = [measured(number / 10, 500 - number) for number in range(250)]
    phone.queue[0] = measured(91, 600)
    phone.queue[150] = {"odometer": 7}
    statuses = await phone.flush(stack.driver_server.port)
    assert statuses == [201, 200, 204]
    assert [verdict["index"] for verdict in phone.answers[1].json()["rejected"]] == [50]
    assert stack.stored(driver_id).latitude == 24.9


async def test_dropped_messages_are_counted_by_reason(cluster_stack):
    environment = {**cluster_stack.environment, "TRACKING_METRICS_TOKEN": "m" * 40}
    driver_id = cluster_stack.new_driver()
    with Uvicorn(environment, "counting") as server:
        phone = Traccar10(*issue(cluster_stack, driver_id))
        phone.queue = [fix(91), fix(1, timestamp="soon"), fix(1)]
        await phone.flush(server.port)
        text = (await call(server.port, "GET", "/metrics", "m" * 40)).body.decode()
    for reason in ("invalid_location", "invalid_message"):
        (line,) = [line for line in text.splitlines() if "osmand" in line and reason in line]
        assert line.startswith("tracking_refusals_total{")
        assert line.endswith(" 1.0")
