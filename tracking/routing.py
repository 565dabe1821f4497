"""Routes for the host project's `URLRouter`: WebSockets, and health and metrics over HTTP."""

from typing import Any

from tracking.consumers import DriverConsumer, WatcherConsumer
from tracking.consumers.fleet import FleetConsumer
from tracking.consumers.nearby import NearbyConsumer
from tracking.consumers.trip import TripConsumer
from tracking.monitoring.views import Metrics, live, own_metrics, ready
from tracking.slashes import path

websocket_urlpatterns: list[Any] = [
    path("driver/set-tracking", DriverConsumer.as_asgi()),
    path("driver/get-tracking", WatcherConsumer.as_asgi()),
    path("fleet/get-tracking", FleetConsumer.as_asgi()),
    path("trip/get-tracking", TripConsumer.as_asgi()),
    path("nearby/get-tracking", NearbyConsumer.as_asgi()),
]

http_urlpatterns: list[Any] = [
    path("health/live/", live),
    path("health/ready/", ready),
    path("metrics/", Metrics(own_metrics)),
]
