"""The consumer that all others inherit from: one connection and its life."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from contextlib import ExitStack
from typing import Any, Final

from channels.consumer import AsyncConsumer
from django.db import Error as DatabaseError

from tracking import metrics, protocol
from tracking.access.addresses import address_of
from tracking.access.principals import Principal
from tracking.access.session import Session
from tracking.conf import conf
from tracking.consumers.record import ConnectionRecord
from tracking.ids import DriverId, to_plain
from tracking.people import USER_IDS
from tracking.permissions import Decision
from tracking.pipeline.outbox import Event, Outbox, abort
from tracking.protocol import (
    AuthenticationTimeout,
    CloseCode,
    InvalidMessage,
    TrackingError,
)
from tracking.runtime import get_runtime
from tracking.runtime.rate_limits import RateLimit
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# The limit of a connection's messages that are not acknowledged yet, and of answers that the client
# has not read yet. Beyond it, nothing is read from the socket until the client has caught up, and a
# driver's socket is read more slowly until the database has.
MAX_UNACKNOWLEDGED: Final = 256


def _unknown() -> bool:
    """Return False: this server does not say whether the connection is lost before it is read."""
    return False


class TrackingConsumer(AsyncConsumer):
    """A connection: the socket's life, its session, and its errors as frames and close codes.

    `__call__` replaces Channels' dispatch loop, which waits for a thread hop and makes two tasks
    for every message (a bare echo costs 116 µs with it and 17 µs without), and opens a channel per
    connection, where the hub needs one per process.
    """

    route = ""  # In logs and metrics.
    address = ""
    driver_id: DriverId = 0  # Set from the handshake's query string.
    # True if the route is also for share links, whose tokens no other route accepts.
    takes_share_tokens = False
    limit_key: Hashable = None  # The key of the rate limit that connections share.

    async def __call__(  # type: ignore[override]
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[Event]],
        send: Callable[[Event], Any],
    ) -> None:
        event = await receive()  # websocket.connect
        extensions = scope.get("extensions", {})
        self.record = ConnectionRecord(self.route, is_poll="tracking.is_poll" in extensions)
        # Always accepted: a refusal before that reaches a browser as a bare 1006.
        await send({"type": "websocket.accept", "headers": self.record.headers})
        self.runtime = get_runtime()
        self.outbox = Outbox(send, self.connection_failed, extensions.get("tracking.send_now"))
        self.is_lost = extensions.get("tracking.is_lost", _unknown)
        self.task = asyncio.current_task()
        self.failure: Exception | None = None
        self.session = Session(
            self.runtime.identities,
            self.runtime.registry,
            self.authorize,
            self.fail,
            takes_share_tokens=self.takes_share_tokens,
        )
        self.bad_messages = self.received = 0
        loop = asyncio.get_running_loop()
        self.rate_limit = RateLimit(loop.time())
        self.max_message_size: int = conf.MAX_MESSAGE_SIZE
        deadline = loop.time() + conf.AUTHENTICATION_TIMEOUT
        timer = loop.call_at(deadline, self.fail, AuthenticationTimeout())
        accepted = False
        try:
            try:
                self.address = address_of(scope)
                self.runtime.connections.admit(self)
                self.read_query(scope.get("query_string", b""))
            except TrackingError as error:
                self.fail(error)
            while (event := await receive())["type"] == "websocket.receive":
                self.received += 1
                if self.outbox.closed:
                    continue
                timer.cancel()  # The client's time does not run while its message is handled.
                if await self.handle(event) and not accepted:
                    accepted = True
                    self.runtime.connections.authenticated(self)
                elif not accepted:
                    timer = loop.call_at(deadline, self.fail, AuthenticationTimeout())
                if len(self.outbox) >= MAX_UNACKNOWLEDGED:
                    await self.outbox.drain()
        except asyncio.CancelledError:
            if self.failure is None:
                raise
            if not isinstance(self.failure, TimeoutError):
                raise self.failure from None
            abort(send)
        finally:
            # In reverse order, and each of them even if others raise: a connection that has ended
            # must not be counted, stream, or keep a driver online any longer.
            with ExitStack() as steps:
                steps.callback(self._end_record, event)
                steps.callback(self.disconnected)
                if self.limit_key is not None:
                    steps.callback(self.runtime.limits.leave, self.limit_key)
                steps.callback(self.runtime.connections.remove, self)
                steps.callback(self.outbox.abandon)
                steps.callback(self.session.close)
                steps.callback(timer.cancel)

    async def handle(self, event: Event) -> bool:
        """Handle one message; return True if it was accepted."""
        try:
            self.rate_limit.take(asyncio.get_running_loop().time())
            text = event.get("text")
            if text is None:
                raise InvalidMessage
            if len(text) > self.max_message_size:
                # For servers whose own limit is higher, or ends in a bare 1006 as Daphne's does.
                self.refuse(CloseCode.MESSAGE_TOO_BIG, "message_too_big")
                return False
            await self.receive(text)
        except TrackingError as error:
            self.fail(error)
            return False
        except DatabaseError as error:
            logger.warning("The database is unavailable, a message was refused: %s", reason(error))
            self.refuse(CloseCode.TRY_AGAIN_LATER, "database_unavailable")
            return False
        except Exception:
            self.close(CloseCode.INTERNAL_ERROR, "internal_error")
            raise  # The server logs it.
        self.bad_messages = 0
        return True

    def share_limit(self, key: Hashable) -> bool:
        """Count the next messages on the limit that connections share by `key`.

        Return True if that is a change. Until it is authenticated a connection has its own limit,
        so that nobody else can use up a user's. A shared limit gives no new burst to a client that
        reconnects.
        """
        if self.limit_key is not None:
            return False
        self.limit_key = key
        self.rate_limit = self.runtime.limits.join(key)
        return True

    def fail(self, error: TrackingError) -> None:
        """Send an error frame, and close the connection if the contract says so."""
        frame = {"type": "websocket.send", "text": protocol.encode_error(error)}
        metrics.refusals.add(self.route, error.code)
        close_code = error.close_code
        if isinstance(error, InvalidMessage):
            self.bad_messages += 1
            if self.bad_messages >= conf.MAX_BAD_MESSAGES:
                close_code = CloseCode.BAD_REQUEST
        if close_code is None:
            self.outbox.put(frame)
        else:
            self.close(close_code, error.code, frame)

    def refuse(self, code: CloseCode, reason: str) -> None:
        """Close the connection after a message for which the contract has no error frame."""
        metrics.refusals.add(self.route, reason)
        self.close(code, reason)

    def close(self, code: CloseCode, reason: str, *last_events: Event) -> None:
        """Close the connection from the server, after `last_events`; `reason` is for the log."""
        self.record.close(code, reason)
        self.outbox.close(code, *last_events)

    def connection_failed(self, error: Exception) -> None:
        """End the connection, because nothing can be sent any more."""
        self.failure = error
        self.record.close(1006, "not_reading" if isinstance(error, TimeoutError) else "send_failed")
        if self.task is not None:
            self.task.cancel()

    def leave(self, code: CloseCode) -> None:
        """Close the connection, because the server is about to stop."""
        self.close(code, "server_restart")

    def warn(self, seconds: int) -> None:
        """Send the warning that the token expires in `seconds`."""
        frame = protocol.encode_expiry_warning(seconds)
        self.outbox.put({"type": "websocket.send", "text": frame})

    def read_query(self, query_string: bytes) -> None:
        """Read the driver's id from the handshake; raise `InvalidUserId`."""
        self.driver_id = protocol.parse_driver_id(query_string, USER_IDS)

    async def receive(self, text: str) -> None:
        """Process one message; raise `TrackingError`."""
        raise NotImplementedError

    async def authorize(self, principal: Principal) -> Decision:
        """Decide if an authenticated principal is permitted, and until when."""
        raise NotImplementedError

    def disconnected(self) -> None:
        """Clean up after the connection has ended."""

    def _end_record(self, event: Event) -> None:
        user_id = self.session.user_id
        self.record.end(
            event.get("code"),
            driver=to_plain(self.driver_id) or None,
            user=None if user_id is None else to_plain(user_id),
            received=self.received,
            sent=self.outbox.sent,
        )
