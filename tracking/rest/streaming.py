"""Responses that are sent while they are made, in constant memory."""

from collections.abc import AsyncIterator, Iterator
from itertools import chain
from typing import Any

from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

from tracking.rest.bridge import give_back_connections


def stream(
    request: HttpRequest, chunks: Iterator[bytes], content_type: str
) -> StreamingHttpResponse:
    """Return a response with these chunks; each is made when the client has read the one before.

    The first one is made here, so that an error of the database is answered with its status.
    Between two chunks the response holds no database connection, and so no transaction: it may take
    hours to read. A client that disconnects ends it. `request` is Django's request.
    """
    first = next(chunks, b"")
    content: Any = chain([first], chunks)
    if isinstance(request, ASGIRequest):
        # Django would collect a synchronous iterator in memory.
        content = _in_threads(first, chunks)
    return StreamingHttpResponse(content, content_type=content_type)


async def _in_threads(first: bytes, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the chunks, each made in a thread that returns its connection afterwards."""
    # The thread of the view and of the middleware, whose connection Django would keep to the end.
    await sync_to_async(give_back_connections)()
    make = database_sync_to_async(_next, thread_sensitive=False)
    chunk: bytes | None = first
    while chunk is not None:
        yield chunk
        chunk = await make(chunks)


def _next(chunks: Iterator[bytes]) -> bytes | None:
    # A StopIteration cannot leave a thread.
    return next(chunks, None)
