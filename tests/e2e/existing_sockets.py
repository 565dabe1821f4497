"""A project's own sockets, authenticated by its session, and ways to add ours that don't work."""

import os

from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ridehail.settings")
django_application = get_asgi_application()

from tracking.routing import websocket_urlpatterns as tracking_urlpatterns  # noqa: E402


class Chat(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await self.send(f"{self.scope['user']}: {text_data}")


websocket_urlpatterns = [path("chat/<int:room>/", Chat.as_asgi())]

yours = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)))


def application(routes):
    return ProtocolTypeRouter({"http": django_application, "websocket": routes})


inside = application(
    AllowedHostsOriginValidator(
        AuthMiddlewareStack(URLRouter([*tracking_urlpatterns, *websocket_urlpatterns]))
    )
)
beside_an_empty_path = application(URLRouter([*tracking_urlpatterns, path("", yours)]))
below_a_prefix = application(
    URLRouter([path("live/", URLRouter(tracking_urlpatterns)), re_path("", yours)])
)
