"""The host's ASGI application with health, metrics, draining and lifespan, for each worker."""

from typing import Any, Final, cast

from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import re_path

from tracking.conf import conf
from tracking.consumers.draining import refusing_while_draining
from tracking.contrib.uvicorn.workers import Workers
from tracking.monitoring.views import Metrics, live, own_metrics, ready
from tracking.runtime import health
from tracking.serving import lifespan
from tracking.serving.lifespan import Application, Lifespan
from tracking.serving.nearby import NearbyFront
from tracking.slashes import path

# Seconds to wait for the metrics of another worker. While the database hangs, it answers after
# `health.TIMEOUT`, without the number of drivers.
METRICS_TIMEOUT: Final = health.TIMEOUT + 1.0


def wrap(application: Application) -> Application:
    """Return the application as it is served in production.

    While the server drains, new WebSockets are refused with 503, including the host's own. Before
    the host's paths come `/health/live/`, `/health/ready/` and, if `TRACKING["METRICS_TOKEN"]` is
    set, `/metrics/` with the metrics of all workers on this port. Searches for free drivers that
    need no middleware are answered without Django.
    """
    workers = Workers(own_metrics, METRICS_TIMEOUT)

    async def start() -> None:
        await workers.listen()
        await lifespan.start()

    async def stop() -> None:
        workers.close()
        await lifespan.stop()

    return ProtocolTypeRouter(
        {
            "http": URLRouter(
                [
                    path("health/live/", live),
                    path("health/ready/", ready),
                    *([path("metrics/", Metrics(workers.metrics))] if conf.METRICS_TOKEN else []),
                    cast("Any", re_path)("", NearbyFront(application)),
                ]
            ),
            "websocket": refusing_while_draining(application),
            "lifespan": Lifespan(application, start, stop),
        }
    )
