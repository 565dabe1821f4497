"""The REST API of the whole fleet, for the host project.

`path("fleet/", include("tracking.urls.fleet"))`, beside the socket at `fleet/get-tracking`.
"""

from tracking.rest.past import FleetAtView
from tracking.slashes import path
from tracking.streams.views import FleetStreamView

app_name = "tracking_fleet"
urlpatterns = [
    path("stream/", FleetStreamView.as_view(), name="stream"),
    path("at/", FleetAtView.as_view(), name="at"),
]
