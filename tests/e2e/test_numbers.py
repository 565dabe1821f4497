"""Phones' numbers mean the same on every interface, and none makes a fix fail."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from .http import call
from .phone_queues import OwnTracksAndroid, Traccar8, Traccar9, Traccar10, Traccar10Json

UNKNOWN = {"heading": -1, "speed": -1, "accuracy": 0}
NORTH = {"heading": 360, "speed": 0, "accuracy": 0.5}
NOWHERE = {"lat": 0, "lon": 0, "accuracy": -1}


class Entrance:
    """An interface of the server for one fix. `give` returns whether it was accepted."""

    def __init__(self, stack, driver_id, token):
        self.stack, self.driver_id, self.token = stack, driver_id, token

    async def give(self, fix):
        raise NotImplementedError


class Send(Entrance):
    def payload(self, fix):
        return {"command": "send", **fix}

    async def give(self, fix):
        async with self.stack.driver(self.driver_id) as driver:
            await driver.send_message(token=driver.token, **self.payload(fix))
            return "error" not in json.loads(await driver.frame(0))


class SendBatch(Send):
    def payload(self, fix):
        return {"command": "send_batch", "fixes": [fix]}


class Put(Entrance):
    method, path = "PUT", "location"

    def body(self, fix):
        return fix

    async def give(self, fix):
        path = f"/driver/{self.driver_id}/{self.path}/"
        port, token = self.stack.driver_server.port, self.stack.tokens[self.driver_id]
        answer = await call(port, self.method, path, token, self.body(fix))
        return answer.status in (201, 204)


class Post(Put):
    method, path = "POST", "locations"

    def body(self, fix):
        return {"fixes": [fix]}


class ByApp(Entrance):
    """A phone app. A number that the app cannot correct is never refused."""

    async def give(self, fix):
        at = datetime.fromisoformat(fix.pop("recorded_at"))
        app = self.app(self.token)
        app.queue = [fix | {"timestamp": int(at.timestamp())}]
        assert await app.flush(self.stack.driver_server.port) == [200]
        assert "tracking-rejected" not in app.answers[0].headers
        return True


def by(app):
    return type(f"By{app.__name__}", (ByApp,), {"app": app})


APPS = [by(app) for app in (Traccar10, Traccar10Json, Traccar9, Traccar8, OwnTracksAndroid)]


@pytest.mark.parametrize(
    "kind", [Send, SendBatch, Put, Post, *APPS], ids=lambda kind: kind.__name__
)
async def test_numbers_of_phones_mean_the_same_on_every_entrance(stack, phone, kind):
    entrance = kind(stack, *phone)

    async def give(seconds_ago, **values):
        at = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=seconds_ago)
        accepted = await entrance.give(
            {"lat": 1, "lon": 2, "recorded_at": at.isoformat(), **values}
        )
        return accepted, stack.stored(phone[0])

    accepted, row = await give(9, **UNKNOWN)
    assert accepted
    assert (row.latitude, row.heading, row.speed, row.accuracy) == (1, None, None, None)
    accepted, row = await give(6, **NORTH)
    assert accepted
    assert (row.latitude, row.heading, row.speed, row.accuracy) == (1, 0, 0, 0.5)
    # A fix without a place: refused where the sender can correct it, else a sign of life.
    accepted, row = await give(3, **NOWHERE)
    assert accepted is isinstance(entrance, ByApp)
    assert row.latitude == 1
