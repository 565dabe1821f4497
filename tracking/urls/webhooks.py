"""Webhooks over HTTP, for the host project.

`path("webhooks/", include("tracking.urls.webhooks"))`.
"""

from rest_framework.routers import SimpleRouter

from tracking.rest.webhooks import WebhookViewSet
from tracking.slashes import either_slash

router = SimpleRouter(use_regex_path=False)
router.register("", WebhookViewSet, basename="webhook")

app_name = "tracking_webhooks"
urlpatterns = [*either_slash(router.urls)]
