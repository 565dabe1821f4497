"""The two ends of a connection to the routes: a client and an ASGI server."""

import asyncio
import json
import time

import jwt
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.conf import settings

from tracking.routing import websocket_urlpatterns
from tracking.runtime import get_runtime

from .fakes import DEADLINE, Client, within_deadline

application = URLRouter(websocket_urlpatterns)


def token_for(user_id, lifetime=3600):
    """Return a token of the existing log-in, made without the database."""
    now = int(time.time())
    claims = {"id": user_id, "email": "", "name": "", "iat": now, "exp": now + lifetime}
    return jwt.encode(claims, settings.JWT_SIGNING_KEY, "HS256")


class Socket(WebsocketCommunicator):
    """A client's end of a connection to one of the routes."""

    def __init__(self, route, query):
        own = route in ("fleet", "trip", "nearby")
        path = f"/{route}/get-tracking" if own else f"/driver/{route}-tracking"
        super().__init__(application, f"{path}{query}")

    async def send(self, payload, **rest):
        await self.send_json_to({"type": "authenticate", "payload": payload, **rest})

    async def start(self, token):
        await self.send({"token": token, "command": "start"})

    async def report(self, token, lat="-1.4354", lon="0.9871"):
        await self.send({"token": token, "command": "send", "lat": lat, "lon": lon})

    async def frame(self):
        return await self.receive_from(timeout=DEADLINE)

    async def error(self):
        return json.loads(await self.frame())["error"]["code"]

    async def close_code(self):
        event = await self.receive_output(timeout=DEADLINE)
        assert event["type"] == "websocket.close"
        return event["code"]


class Server:
    """Runs a consumer as an ASGI server does, with a client that may stop reading."""

    def __init__(self, route, driver_id):
        self.client = Client()
        self.taken = 0
        self._input = asyncio.Queue()
        scope = {
            "type": "websocket",
            "path": f"/driver/{route}-tracking",
            "query_string": f"userId={driver_id}".encode(),
            "headers": [],
        }
        self._input.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(application(scope, self._receive, self.client))

    async def _receive(self):
        event = await self._input.get()
        self.taken += 1
        return event

    def send(self, payload):
        text = json.dumps({"type": "authenticate", "payload": payload})
        self._input.put_nowait({"type": "websocket.receive", "text": text})

    def report(self, token, lat=1.0):
        self.send({"token": token, "command": "send", "lat": lat, "lon": 0})

    async def end(self):
        self._input.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await within_deadline(self.task)
        await within_deadline(get_runtime().close())


async def stored(driver_id):
    return (await get_runtime().hub._load_snapshots([driver_id])).get(driver_id)
