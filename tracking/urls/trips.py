"""Trips over HTTP, and the page of a trip, for the host project.

`path("trips/", include("tracking.urls.trips"))`, beside the socket at `trip/get-tracking`.
"""

from django.urls import path as page
from rest_framework.routers import SimpleRouter

from tracking.pages import replay, views
from tracking.rest.trip_track import TripTrackView
from tracking.rest.trips import TripViewSet
from tracking.slashes import either_slash, path

router = SimpleRouter(use_regex_path=False)
router.register("", TripViewSet, basename="trip")

app_name = "tracking_trips"
urlpatterns = [
    path("<int:trip_id>/track/", TripTrackView.as_view(), name="track"),
    page("<int:trip_id>/map/", views.trip_map, name="trip-map"),
    page("<int:trip_id>/replay/", replay.trip_replay, name="trip-replay"),
    *either_slash(router.urls),
]
