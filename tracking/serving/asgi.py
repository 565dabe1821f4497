"""The host's `ASGI_APPLICATION` as `manage.py tracking_serve` serves it.

For other servers: `uvicorn tracking.serving.asgi:application`.
"""

from channels.routing import get_default_application

# First: it loads the apps, whose models the rest imports.
host_application = get_default_application()

from tracking.consumers.draining import drain  # noqa: E402
from tracking.serving.wrap import wrap  # noqa: E402

__all__ = ["application", "drain"]

application = wrap(host_application)
