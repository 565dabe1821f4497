"""The WebSocket routes, for the host project's `URLRouter`."""

from typing import Any

from django.urls import path

from tracking.consumers import DriverConsumer, WatcherConsumer

websocket_urlpatterns: list[Any] = [
    path("driver/set-tracking", DriverConsumer.as_asgi()),  # type: ignore[arg-type]
    path("driver/get-tracking", WatcherConsumer.as_asgi()),  # type: ignore[arg-type]
]
