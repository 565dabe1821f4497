"""The REST API of the whole fleet in the past, and its page, for the host project.

`path("fleet/", include("tracking.urls.fleet"))`, beside the socket at `fleet/get-tracking`.
"""

from django.urls import path as page

from tracking.pages import replay
from tracking.rest.past import FleetAtView
from tracking.slashes import path

app_name = "tracking_fleet"
urlpatterns = [
    page("replay/", replay.fleet_replay, name="replay"),
    path("at/", FleetAtView.as_view(), name="at"),
]
