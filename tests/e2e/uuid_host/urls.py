from django.contrib import admin
from django.http import HttpResponse
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from .models import Person


def person(request, pk, is_active):
    """Change or delete a user in the server's process, as other pages of a host do."""
    user = Person.objects.get(pk=pk)
    if request.method == "DELETE":
        user.delete()
    else:
        user.is_active = is_active == "yes"
        user.save()
    return HttpResponse(status=204)


urlpatterns = [
    path("people/<uuid:pk>/<is_active>/", person),
    path("admin/", admin.site.urls),
    path("driver/", include("tracking.urls")),
    path("trips/", include("tracking.urls.trips")),
    path("schema/", SpectacularAPIView.as_view()),
]
