"""Trips over HTTP, for the host project: `path("trips/", include("tracking.urls.trips"))`."""

from rest_framework.routers import SimpleRouter

from tracking.rest.trip_track import TripTrackView
from tracking.rest.trips import TripViewSet
from tracking.slashes import either_slash, path

router = SimpleRouter(use_regex_path=False)
router.register("", TripViewSet, basename="trip")

app_name = "tracking_trips"
urlpatterns = [
    path("<int:trip_id>/track/", TripTrackView.as_view(), name="track"),
    *either_slash(router.urls),
]
