from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

# First: it loads the apps, whose models the routes import.
django_application = get_asgi_application()

from tracking.routing import websocket_urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {"http": django_application, "websocket": URLRouter(websocket_urlpatterns)}
)
