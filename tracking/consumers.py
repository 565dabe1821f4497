"""The two ends of a connection: a driver's, which publishes, and a watcher's, which streams."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from channels.consumer import AsyncConsumer
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import Error as DatabaseError

from tracking import protocol
from tracking.conf import conf
from tracking.fix import Fix
from tracking.outbox import Event, Outbox, abort
from tracking.permissions import Decision, may_publish, may_watch
from tracking.protocol import (
    AuthenticationTimeout,
    CloseCode,
    InvalidMessage,
    TokenInvalid,
    TrackingError,
)
from tracking.runtime import get_runtime
from tracking.session import Session

logger = logging.getLogger(__name__)

# This many bad messages in a row, and it is not a client of ours.
MAX_BAD_MESSAGES: Final = 5

# Sent but not yet acknowledged fixes of one connection. Beyond it, no more is read from the
# socket until the database has caught up: the phone's own buffer is the better place to wait.
MAX_UNACKNOWLEDGED: Final = 256


class TrackingConsumer(AsyncConsumer):
    """What both ends have in common: the socket's life, its session, and what errors become.

    `__call__` replaces Channels' dispatch loop. That one waits for a thread hop and makes two
    tasks for every message (a bare echo costs 116 µs with it and 17 µs without), and opens a
    channel per connection, where the hub needs one per process.
    """

    driver_id = 0  # No driver's, until the handshake's query string was read.

    async def __call__(  # type: ignore[override]
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[Event]],
        send: Callable[[Event], Any],
    ) -> None:
        await receive()  # websocket.connect
        # Always accepted: a refusal before that reaches a browser as a bare 1006.
        await send({"type": "websocket.accept"})
        self.runtime = get_runtime()
        self.outbox = Outbox(
            send, self.give_up, scope.get("extensions", {}).get("ridehail.send_now")
        )
        self.task = asyncio.current_task()
        self.failure: Exception | None = None
        self.session = Session(self.runtime.users, self.runtime.registry, self.authorize, self.fail)
        self.bad_messages = 0
        loop = asyncio.get_running_loop()
        deadline = loop.time() + conf.AUTHENTICATION_TIMEOUT
        timer = loop.call_at(deadline, self.fail, AuthenticationTimeout())
        accepted = False
        try:
            self.driver_id = protocol.parse_driver_id(scope.get("query_string", b""))
        except TrackingError as error:
            self.fail(error)
        try:
            while (event := await receive())["type"] == "websocket.receive":
                if self.outbox.closed:
                    continue
                timer.cancel()  # How long a message takes to judge is not the client's fault.
                accepted = await self.handle(event) or accepted
                if not accepted:
                    timer = loop.call_at(deadline, self.fail, AuthenticationTimeout())
        except asyncio.CancelledError:
            if self.failure is None:
                raise
            if not isinstance(self.failure, TimeoutError):
                raise self.failure from None
            logger.info("A client that does not read was disconnected")
            abort(send)
        finally:
            timer.cancel()
            self.session.close()
            self.outbox.abandon()
            self.disconnected()

    async def handle(self, event: Event) -> bool:
        """Receive one message; return whether it was accepted."""
        try:
            text = event.get("text")
            if text is None:
                raise InvalidMessage
            if len(text) > protocol.MAX_MESSAGE_SIZE:
                # For servers whose own limit is higher, or ends in a bare 1006 as Daphne's does.
                self.outbox.close(CloseCode.MESSAGE_TOO_BIG)
                return False
            await self.receive(text)
        except TrackingError as error:
            self.fail(error)
            return False
        except DatabaseError as error:
            logger.warning("A message could not be judged, the database is away: %s", error)
            self.outbox.close(CloseCode.TRY_AGAIN_LATER)
            return False
        except Exception:
            self.outbox.close(CloseCode.INTERNAL_ERROR)
            raise  # The server logs it.
        self.bad_messages = 0
        return True

    def fail(self, error: TrackingError) -> None:
        """Tell the client what is wrong, and close the connection where the contract says so."""
        frame = {"type": "websocket.send", "text": protocol.encode_error(error)}
        close_code = error.close_code
        if isinstance(error, InvalidMessage):
            self.bad_messages += 1
            if self.bad_messages >= MAX_BAD_MESSAGES:
                close_code = CloseCode.BAD_REQUEST
        if close_code is None:
            self.outbox.put(frame)
        else:
            self.outbox.close(close_code, frame)

    def give_up(self, error: Exception) -> None:
        """Nothing can be sent any more: end the connection from this side."""
        self.failure = error
        if self.task is not None:
            self.task.cancel()

    async def receive(self, text: str) -> None:
        """Act on one message; raise `TrackingError`."""
        raise NotImplementedError

    async def authorize(self, user: AbstractBaseUser) -> Decision:
        """Decide whether an authenticated user may be here, and until when."""
        raise NotImplementedError

    def disconnected(self) -> None:
        """The client is gone."""


class DriverConsumer(TrackingConsumer):
    """A driver sends fixes; each is acknowledged once it, or a newer one, is committed."""

    unacknowledged = 0
    resume: asyncio.Event | None = None

    async def receive(self, text: str) -> None:
        """Decode, authenticate and authorize, submit, slow down."""
        token, latitude, longitude = protocol.decode_send(text)
        await self.session.authenticate(token)
        now = self.runtime.clock.now()
        self.runtime.submit(Fix(self.driver_id, latitude, longitude, now, now), waiter=self)
        await self.slow_down()

    async def authorize(self, user: AbstractBaseUser) -> bool:
        return await may_publish(user, self.driver_id)

    async def slow_down(self) -> None:
        """Wait while too much is unacknowledged."""
        self.unacknowledged += 1
        if self.unacknowledged >= MAX_UNACKNOWLEDGED:
            self.resume = asyncio.Event()
            await self.resume.wait()
        if len(self.outbox) >= MAX_UNACKNOWLEDGED:
            await self.outbox.drain()

    def acknowledge(self, fix: Fix) -> None:
        frame = protocol.encode_location(fix.latitude, fix.longitude)
        self.outbox.put({"type": "websocket.send", "text": frame})
        self._settle()

    def reject(self, fix: Fix) -> None:
        # The columns' ranges were checked, so what is missing is the row the location belongs to.
        self.fail(TokenInvalid("this account no longer exists"))
        self._settle()

    def _settle(self) -> None:
        self.unacknowledged -= 1
        if self.resume is not None:
            self.resume.set()
            self.resume = None


class WatcherConsumer(TrackingConsumer):
    """A watcher streams one driver's locations: the last known first, then every newer one."""

    async def receive(self, text: str) -> None:
        """Decode, authenticate and authorize, join."""
        token = protocol.decode_start(text)
        await self.session.authenticate(token)
        await self.runtime.hub.join(self.driver_id, self.outbox)

    async def authorize(self, user: AbstractBaseUser) -> Decision:
        # A driver that does not exist gets the same answer as one that may not be watched.
        driver = await self.runtime.users.get(self.driver_id)
        return (
            driver is not None
            and await may_publish(driver, self.driver_id)
            and await may_watch(user, self.driver_id)
        )

    def disconnected(self) -> None:
        self.runtime.hub.leave(self.driver_id, self.outbox)
