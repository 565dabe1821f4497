"""`text/event-stream`: a consumer's frames as server-sent events."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

from asgiref.sync import SyncToAsync, sync_to_async

from tracking.rest.bridge import give_back_connections
from tracking.streams.exchange import Exchange

# Seconds between two signs of life, a comment if there is no frame.
KEEP_ALIVE: Final = 15.0


class EventStream:
    """The body of a response: the first frame, and those that follow until either side ends it."""

    def __init__(self, exchange: Exchange, first: str) -> None:
        self._exchange = exchange
        self._first = first

    def close(self) -> None:
        """Free the consumer. Django calls it at the response's end, also if it was never read."""
        self._exchange.leave_from_thread()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        exchange = self._exchange
        try:
            # The thread of the view and of the middleware, whose connection Django would keep.
            await sync_to_async(give_back_connections)()
            _end_thread()
            yield _data(self._first)
            error = ""
            while True:
                event = await exchange.read(KEEP_ALIVE)
                if event is None:
                    yield b": alive\n\n"
                elif event["type"] == "websocket.close":
                    closing = {"code": int(event["code"]), "reason": error}
                    yield b"event: close\n" + _data(json.dumps(closing))
                    exchange.leave(int(event["code"]))
                    return
                else:
                    text = event["text"]
                    # The reason, if the stream ends after this frame.
                    is_error = text.startswith('{"error"')
                    error = json.loads(text)["error"]["code"] if is_error else ""
                    yield _data(text)
        finally:
            exchange.leave()


def _data(text: str) -> bytes:
    # Frames are JSON without line breaks.
    return f"data: {text}\n\n".encode()


def _end_thread() -> None:
    """End the thread that asgiref keeps for each request, as a stream may last for hours.

    A later call gets another thread. Without it, each stream would keep one.
    """
    context: Any = SyncToAsync.thread_sensitive_context.get(None)
    executor = SyncToAsync.context_to_thread_executor.pop(context, None) if context else None
    if executor is not None:
        executor.shutdown(wait=False)
