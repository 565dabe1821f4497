"""The ASGI application: HTTP goes to Django, WebSockets to the tracking routes."""

import os
from typing import Any, cast

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ridehail.settings")

# First, because it loads the apps whose models the routes import.
django_application = get_asgi_application()

from tracking.routing import http_urlpatterns, websocket_urlpatterns  # noqa: E402


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    """Refuse a handshake for an unknown path; without a route it is a server error in the log."""
    await receive()
    await send({"type": "websocket.close"})


def otherwise(application: Any) -> Any:
    """Return the route for all other paths."""
    return cast("Any", re_path)("", application)


application = ProtocolTypeRouter(
    {
        # Health and metrics for servers other than `manage.py serve`, which has them in front.
        "http": URLRouter([*http_urlpatterns, otherwise(django_application)]),
        # No origin check: these routes are authenticated by a token in the message, never by a
        # cookie, so a foreign page gains nothing; and native apps send no Origin at all.
        "websocket": URLRouter([*websocket_urlpatterns, otherwise(refuse)]),
    }
)
