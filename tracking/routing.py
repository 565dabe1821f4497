"""The routes for the host project's `URLRouter`: WebSockets, and what operators ask over HTTP."""

from typing import Any

from django.urls import path

from tracking.consumers import DriverConsumer, WatcherConsumer
from tracking.consumers.fleet import FleetConsumer
from tracking.monitoring.views import Metrics, live, own_metrics, ready

websocket_urlpatterns: list[Any] = [
    path("driver/set-tracking", DriverConsumer.as_asgi()),  # type: ignore[arg-type]
    path("driver/get-tracking", WatcherConsumer.as_asgi()),  # type: ignore[arg-type]
    path("fleet/get-tracking", FleetConsumer.as_asgi()),  # type: ignore[arg-type]
]

http_urlpatterns: list[Any] = [
    path("health/live/", live),  # type: ignore[arg-type]
    path("health/ready/", ready),  # type: ignore[arg-type]
    path("metrics/", Metrics(own_metrics)),  # type: ignore[arg-type]
]
