"""The REST API of the whole fleet in the past, and its page, for the host project.

`path("fleet/", include("tracking.urls.fleet"))`, beside the socket at `fleet/get-tracking`.
"""

from django.urls import path as page

from tracking.pages import replay
from tracking.people import USER_IDS
from tracking.rest.alerts import AcknowledgeView, AlertsView
from tracking.rest.driver_panel import DriverPanelView
from tracking.rest.drivers import DriversView, FiltersView, MatchesView
from tracking.rest.past import FleetAtView
from tracking.slashes import path
from tracking.streams.views import FleetStreamView

app_name = "tracking_fleet"
urlpatterns = [
    path("stream/", FleetStreamView.as_view(), name="stream"),
    page("replay/", replay.fleet_replay, name="replay"),
    path("at/", FleetAtView.as_view(), name="at"),
    path("drivers/", DriversView.as_view(), name="drivers"),
    path(f"drivers/<{USER_IDS.converter}:driver_id>/", DriverPanelView.as_view(), name="driver"),
    path("filters/", FiltersView.as_view(), name="filters"),
    path("matches/", MatchesView.as_view(), name="matches"),
    path("alerts/", AlertsView.as_view(), name="alerts"),
    path("alerts/<int:alert_id>/acknowledge/", AcknowledgeView.as_view(), name="acknowledge-alert"),
]
