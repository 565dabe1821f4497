"""Trips over HTTP, and the page of a trip, for the host project.

`path("trips/", include("tracking.urls.trips"))`, beside the socket at `trip/get-tracking`.
"""

from django.urls import path as page
from rest_framework.routers import SimpleRouter

from tracking.pages import app, views
from tracking.rest.trip_track import TripTrackView
from tracking.rest.trips import TripViewSet
from tracking.slashes import either_slash, path

router = SimpleRouter(use_regex_path=False)
router.register("", TripViewSet, basename="trip")

app_name = "tracking_trips"
urlpatterns = [
    path("<int:trip_id>/track/", TripTrackView.as_view(), name="track"),
    page("<int:trip_id>/map/", views.trip_map, name="trip-map"),
    page("app/", app.current_trip, name="app"),
    page("app.webmanifest", app.manifest, {"app": "trip"}, name="app-manifest"),
    page("app-worker.js", app.worker, {"app": "trip"}, name="app-worker"),
    page("app-offline/", app.offline, {"app": "trip"}, name="app-offline"),
    *either_slash(router.urls),
]
