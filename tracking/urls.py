"""The pages and the grants, for the host project: `path("driver/", include("tracking.urls"))`."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from tracking import views
from tracking.grants_api import GrantViewSet

grants = SimpleRouter()
grants.register("grants", GrantViewSet, basename="grant")

app_name = "tracking"
urlpatterns = [
    path("<int:driver_id>/map/", views.driver_map, name="driver-map"),
    path("share/", views.share, name="share"),
    path("fleet/", views.fleet_map, name="fleet-map"),
    path("search/", views.search, name="search"),
    *grants.urls,
]
