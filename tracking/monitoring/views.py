"""Health and metrics of a process over HTTP: `/health/live/`, `/health/ready/`, `/metrics/`.

ASGI applications for the host project's `URLRouter`, in front of Django: load balancers send an IP
address in place of the host name and use plain HTTP, and the answer must not depend on middleware.
"""

import hmac
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

import msgspec
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from tracking import metrics
from tracking.conf import conf
from tracking.monitoring.exposition import exposition
from tracking.runtime import get_runtime

Send = Callable[[Any], Awaitable[None]]

# Seconds. An event loop that was later than this in all of the last ten samples is stuck.
MAX_LAG: Final = 1.0


async def live(scope: Any, receive: Any, send: Send) -> None:
    """Respond with 200, or with 503 if the event loop stays late and a restart is needed."""
    lag = get_runtime().lag
    late = lag.sustained() > MAX_LAG
    content = {
        "status": "late" if late else "ok",
        "event_loop_lag_seconds": round(lag.worst(), 3),
        "degraded": metrics.degraded.parts(),
    }
    await _respond_json(scope, send, ok=not late, content=content)


async def ready(scope: Any, receive: Any, send: Send) -> None:
    """Respond with 200, or with 503 if this process cannot serve new clients.

    A channel layer that fails is shown, but does not lead to 503: clients are then served from the
    database, and it fails for all processes at once, so a load balancer would remove them all.
    """
    runtime = get_runtime()
    checks = await runtime.health.checks()
    checks["not_draining"] = not runtime.draining
    degraded = metrics.degraded.parts()
    ok = all(works for part, works in checks.items() if part != "channel_layer")
    if not ok:
        status = "unavailable"
    elif degraded or not checks["channel_layer"]:
        status = "degraded"
    else:
        status = "ready"
    shown = {part: "ok" if works else "failing" for part, works in checks.items()}
    content = {"status": status, "checks": shown, "degraded": degraded}
    await _respond_json(scope, send, ok=ok, content=content)


class Metrics:
    """The metrics, for requests with `TRACKING["METRICS_TOKEN"]`; 404 if that setting is empty."""

    def __init__(self, text: Callable[[], Awaitable[bytes]]) -> None:
        self._text = text

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        given = dict(scope["headers"]).get(b"authorization", b"")
        wanted = f"Bearer {conf.METRICS_TOKEN}".encode()
        if not conf.METRICS_TOKEN:
            await _respond(scope, send, HTTPStatus.NOT_FOUND, b"")
        elif not hmac.compare_digest(given, wanted):
            await _respond(scope, send, HTTPStatus.UNAUTHORIZED, b"")
        else:
            await _respond(scope, send, HTTPStatus.OK, await self._text(), CONTENT_TYPE_PLAIN_0_0_4)


async def own_metrics() -> bytes:
    """Return this process's metrics. If several processes share a port, any of them may answer."""
    return await exposition(get_runtime())


async def _respond_json(scope: Any, send: Send, *, ok: bool, content: dict[str, Any]) -> None:
    status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
    await _respond(scope, send, status, msgspec.json.encode(content), "application/json")


async def _respond(
    scope: Any, send: Send, status: HTTPStatus, body: bytes, content_type: str = "text/plain"
) -> None:
    if scope["method"] not in ("GET", "HEAD"):
        status, body = HTTPStatus.METHOD_NOT_ALLOWED, b""
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
