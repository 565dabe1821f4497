"""The project's pages, and at paths of their own those that only a failure shows."""

from django.shortcuts import render
from django.urls import path

from ridehail import errors
from ridehail.urls import handler400, handler403, handler404, handler500  # noqa: F401
from ridehail.urls import urlpatterns as pages


def busy(request):
    return render(request, "tracking/shared_trip_busy.html", status=429)


def log_in_paused(request):
    context = {"message": "Δέκα λεπτά", "status": 429}
    return render(request, "429.html", context, status=429)


urlpatterns = [
    *pages,
    # A development server has a page of Django's for these.
    path("screens/not-found/", lambda request: errors.page_not_found(request, Exception())),
    path("screens/server-error/", errors.server_error),
    path("screens/busy/", busy),
    path("screens/log-in-paused/", log_in_paused),
]
