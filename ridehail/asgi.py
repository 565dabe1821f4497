"""The ASGI application: HTTP goes to Django, WebSockets to the tracking routes."""

import os
from typing import Any, cast

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ridehail.settings")

# First, because it loads the apps whose models the routes import.
django_application = get_asgi_application()

from tracking.consumers.draining import refusing_while_draining  # noqa: E402
from tracking.contrib.uvicorn.workers import all_metrics  # noqa: E402
from tracking.monitoring.views import Metrics  # noqa: E402
from tracking.routing import http_urlpatterns, websocket_urlpatterns  # noqa: E402
from tracking.serving.lifespan import lifespan  # noqa: E402
from tracking.slashes import path  # noqa: E402


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    """An unknown path ends in a refused handshake. Without this it is a server error in the log."""
    await receive()
    await send({"type": "websocket.close"})


application = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [
                path("metrics/", Metrics(all_metrics)),
                *http_urlpatterns,
                cast("Any", re_path)("", django_application),
            ]
        ),
        # No origin check: these routes are authenticated by a token in the message, never by a
        # cookie, so a foreign page gains nothing; and native apps send no Origin at all.
        "websocket": refusing_while_draining(
            URLRouter([*websocket_urlpatterns, cast("Any", re_path)("", refuse)])
        ),
        "lifespan": lifespan,
    }
)
