"""Trips over HTTP, and the page of a trip, for the host project.

`path("trips/", include("tracking.urls.trips"))`, beside the socket at `trip/get-tracking`.
"""

from django.urls import path as page
from rest_framework.routers import SimpleRouter

from tracking.pages import views
from tracking.rest.trip_track import TripTrackView
from tracking.rest.trips import TripViewSet
from tracking.slashes import either_slash, path
from tracking.streams.views import TripStreamView

router = SimpleRouter(use_regex_path=False)
router.register("", TripViewSet, basename="trip")

app_name = "tracking_trips"
urlpatterns = [
    path("<int:trip_id>/track/", TripTrackView.as_view(), name="track"),
    path("<int:trip_id>/stream/", TripStreamView.as_view(), name="stream"),
    page("<int:trip_id>/map/", views.trip_map, name="trip-map"),
    *either_slash(router.urls),
]
