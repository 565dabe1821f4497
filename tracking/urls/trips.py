"""Trips over HTTP, and the page of a trip, for the host project.

`path("trips/", include("tracking.urls.trips"))`, beside the socket at `trip/get-tracking`. A trip's
page and its REST resource have the same path, `trips/7/`.
"""

from typing import Any

from django.urls import path as page
from rest_framework.routers import SimpleRouter

from tracking.pages import app, replay, views
from tracking.pages.negotiation import page_or_data
from tracking.rest.shares import ShareViewSet
from tracking.rest.trip_track import TripTrackView
from tracking.rest.trips import TripViewSet
from tracking.slashes import either_slash, path
from tracking.streams.views import TripStreamView

router = SimpleRouter(use_regex_path=False)
router.register("", TripViewSet, basename="trip")

_patterns: list[Any] = either_slash(router.urls)
for _pattern in _patterns:
    if _pattern.name == "trip-detail":
        _pattern.callback = page_or_data(views.trip_page, _pattern.callback)

app_name = "tracking_trips"
urlpatterns = [
    path("<int:trip_id>/track/", TripTrackView.as_view(), name="track"),
    path("<int:trip_id>/stream/", TripStreamView.as_view(), name="stream"),
    # The page's former address.
    page("<int:trip_id>/map/", views.trip_map, name="trip-map"),
    path(
        "<int:trip_id>/shares/",
        ShareViewSet.as_view({"get": "list", "post": "create"}),
        name="shares",
    ),
    path(
        "<int:trip_id>/shares/<int:pk>/", ShareViewSet.as_view({"delete": "destroy"}), name="share"
    ),
    page("app/", app.current_trip, name="app"),
    page("app.webmanifest", app.manifest, {"app": "trip"}, name="app-manifest"),
    page("app-worker.js", app.worker, {"app": "trip"}, name="app-worker"),
    page("app-offline/", app.offline, {"app": "trip"}, name="app-offline"),
    page("<int:trip_id>/replay/", replay.trip_replay, name="trip-replay"),
    *_patterns,
]
