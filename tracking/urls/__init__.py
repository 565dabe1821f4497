"""The pages and the REST API, for the host project: `path("driver/", include("tracking.urls"))`.

`tracking.urls.fleet` is for another path.
"""

from django.urls import path as page
from django.urls import register_converter
from django.urls.converters import UUIDConverter
from rest_framework.routers import SimpleRouter

from tracking.ids import UUID_PATTERN, UUIDS
from tracking.pages import app, replay, views
from tracking.people import USER_IDS
from tracking.phones.views import OsmAndView, OwnTracksView
from tracking.rest.export import ExportView
from tracking.rest.fleet import FleetView
from tracking.rest.grants import GrantViewSet
from tracking.rest.locations import BatchView, LocationView
from tracking.rest.nearby import NearbyView
from tracking.rest.search import SearchView
from tracking.rest.session_token import SessionTokenView
from tracking.rest.states import StateView
from tracking.rest.track import TrackView
from tracking.slashes import either_slash, path
from tracking.streams.views import DriverStreamView, NearbyStreamView


class AnyCaseUUIDConverter(UUIDConverter):
    """Django's UUIDConverter, but for both cases: RFC 9562 asks readers to accept either."""

    regex = UUID_PATTERN


register_converter(AnyCaseUUIDConverter, UUIDS.converter)

grants = SimpleRouter(use_regex_path=False)
grants.register("grants", GrantViewSet, basename="grant")

app_name = "tracking"
urlpatterns = [
    page(f"<{USER_IDS.converter}:driver_id>/map/", views.driver_map, name="driver-map"),
    page(f"<{USER_IDS.converter}:driver_id>/replay/", replay.driver_replay, name="driver-replay"),
    page("share/", views.share, name="share"),
    page("app.webmanifest", app.manifest, {"app": "driver"}, name="app-manifest"),
    page("share/app-worker.js", app.worker, {"app": "driver"}, name="app-worker"),
    page("share/app-offline/", app.offline, {"app": "driver"}, name="app-offline"),
    page("fleet/", views.fleet_map, name="fleet-map"),
    path("nearby/", NearbyView.as_view(), name="nearby"),
    path("nearby/stream/", NearbyStreamView.as_view(), name="nearby-stream"),
    path("search/", SearchView.as_view(), name="search"),
    path(f"<{USER_IDS.converter}:driver_id>/location/", LocationView.as_view(), name="location"),
    path(
        f"<{USER_IDS.converter}:driver_id>/location/stream/",
        DriverStreamView.as_view(),
        name="location-stream",
    ),
    path(f"<{USER_IDS.converter}:driver_id>/locations/", BatchView.as_view(), name="locations"),
    path(f"<{USER_IDS.converter}:driver_id>/track/", TrackView.as_view(), name="track"),
    path(f"<{USER_IDS.converter}:driver_id>/state/", StateView.as_view(), name="state"),
    path(f"<{USER_IDS.converter}:driver_id>/export/", ExportView.as_view(), name="export"),
    path("locations/", FleetView.as_view(), name="fleet-locations"),
    path("token/", SessionTokenView.as_view(), name="token"),
    path("report/owntracks/", OwnTracksView.as_view(), name="report-owntracks"),
    path("report/osmand/", OsmAndView.as_view(), name="report-osmand"),
    *either_slash(grants.urls),
]
