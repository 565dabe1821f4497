"""The project's URLs, and some that fail."""

from django.core.exceptions import SuspiciousOperation
from django.urls import path

from ridehail.urls import (  # noqa: F401, Django looks for them here
    handler400,
    handler403,
    handler404,
    handler500,
    urlpatterns,
)


def fail(request):
    raise RuntimeError("a secret of the server's")


def suspect(request):
    raise SuspiciousOperation("a secret of the server's")


urlpatterns = [
    *urlpatterns,
    path("fail/", fail),
    path("suspect/", suspect),
    path("driver/fail/", fail),
    path("driver/suspect/", suspect),
]
