"""The ASGI application of the tutorial peer: the two WebSocket routes."""

import os

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tutorial.settings")
django.setup()

from tutorial.consumers import DriverConsumer, WatcherConsumer  # noqa: E402

application = ProtocolTypeRouter(
    {
        "websocket": URLRouter(
            [
                path("driver/set-tracking", DriverConsumer.as_asgi()),
                path("driver/get-tracking", WatcherConsumer.as_asgi()),
            ]
        )
    }
)
