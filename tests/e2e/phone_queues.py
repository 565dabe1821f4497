"""The queues of phone apps: which messages each keeps or discards, by the answer's status.

Written after the apps' sources: each sends in order, and always begins with its oldest message.
"""

import base64
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import urlencode

from tests.services import manage

from .http import Response, call, exchange
from .stack import Stack

Send = Callable[[int, Any], Awaitable[Response]]


class App:
    """An app that keeps every message that is not answered 2xx, and sends it again."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.queue: list[Any] = []
        self.thrown_away: list[Any] = []
        # Shown to its owner, or in its log.
        self.answers: list[Response] = []

    async def send(self, port: int, message: Any) -> Response:
        raise NotImplementedError

    def throws_away(self, status: int) -> bool:
        return False

    async def flush(self, port: int) -> list[int]:
        """Send queued messages until one has to stay; return the statuses of the answers."""
        begin = len(self.answers)
        while self.queue:
            answer = await self.send(port, self.queue[0])
            self.answers.append(answer)
            if 200 <= answer.status < 300:
                self.queue.pop(0)
            elif self.throws_away(answer.status):
                self.thrown_away.append(self.queue.pop(0))
            else:
                break
        return [answer.status for answer in self.answers[begin:]]


def post(target: str, body: bytes, *headers: str) -> bytes:
    lines = [
        f"POST {target} HTTP/1.1",
        *headers,
        f"Content-Length: {len(body)}",
        "Host: 127.0.0.1",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Traccar10(App):
    """Sends a form for each message."""

    async def send(self, port: int, message: dict[str, Any]) -> Response:
        body = urlencode({"id": self.token, **message}).encode()
        kind = "Content-Type: application/x-www-form-urlencoded"
        return await exchange(port, post("/driver/report/osmand/", body, kind))


class Traccar10Json(App):
    """Sends a JSON list of the whole queue, and removes all of it or nothing."""

    async def send(self, port: int, message: Any) -> Response:
        items = [{"id": self.token, **message} for message in self.queue]
        body = json.dumps(items).encode()
        answer = await exchange(
            port, post("/driver/report/osmand", body, "Content-Type: application/json")
        )
        if answer.status == 200:
            del self.queue[1:]
        return answer


class Traccar9(App):
    """Sends a JSON object for each message, with the library of Transistor Software."""

    async def send(self, port: int, message: dict[str, Any]) -> Response:
        names = {"lat": "latitude", "lon": "longitude"}
        kept = {*names, "accuracy", "heading", "speed"}
        coords = {names.get(name, name): message[name] for name in kept & set(message)}
        location = {"timestamp": message.get("timestamp"), "coords": coords, "event": ""}
        body = json.dumps({"location": location, "device_id": self.token}).encode()
        return await exchange(
            port, post("/driver/report/osmand", body, "Content-Type: application/json")
        )


class Traccar8(App):
    """Sends parameters in the URL."""

    async def send(self, port: int, message: dict[str, Any]) -> Response:
        query = urlencode({"id": self.token, **message})
        return await exchange(port, post(f"/driver/report/osmand?{query}", b""))


class OwnTracksAndroid(App):
    async def send(self, port: int, message: dict[str, Any]) -> Response:
        names = {"timestamp": "tst", "accuracy": "acc", "heading": "cog", "speed": "vel"}
        content = {names.get(name, name): value for name, value in message.items()}
        content = {"_type": "location", **content}
        credentials = base64.b64encode(f"mary:{self.token}".encode()).decode()
        return await exchange(
            port,
            post(
                "/driver/report/owntracks",
                json.dumps(content).encode(),
                "Content-Type: application/json; charset=utf-8",
                f"Authorization: Basic {credentials}",
            ),
        )


class OwnTracksIos(OwnTracksAndroid):
    """Shows an alert on 4xx, and discards the message."""

    def throws_away(self, status: int) -> bool:
        return 400 <= status < 500


class Transistor(App):
    """An app of the host's own with that library: batches over REST, with the driver's JWT."""

    def __init__(self, token: str, driver_id: int) -> None:
        super().__init__(token)
        self.driver_id = driver_id

    async def send(self, port: int, message: Any) -> Response:
        batch = self.queue[:100]
        path = f"/driver/{self.driver_id}/locations/"
        answer = await call(port, "POST", path, self.token, {"fixes": batch})
        if 200 <= answer.status < 300:
            del self.queue[1 : len(batch)]
        return answer


TRACCAR: Iterable[type[App]] = (Traccar10, Traccar10Json, Traccar9, Traccar8)
OWNTRACKS: Iterable[type[App]] = (OwnTracksAndroid, OwnTracksIos)


def in_shell(stack: Stack, code: str) -> str:
    """Run Python code with users and devices imported, and return its output."""
    imports = (
        "from django.contrib.auth import get_user_model\nfrom tracking.models.device import *\n"
    )
    return manage(stack.environment, "shell", "--no-imports", "-c", imports + code).strip()


def issue(stack: Stack, *driver_ids: int) -> list[str]:
    """Return the token of a new device for each of the drivers."""
    return in_shell(
        stack,
        "users = get_user_model().objects\n"
        f"for pk in {driver_ids}: print(Device.objects.issue(users.get(pk=pk), 'phone').token)",
    ).split()
