"""The page of a share link: the live page of a trip for whoever has the link, on any phone.

The phase is in the HTML, so that it is read before any script has loaded. Chat programs fetch the
page for a preview: fetching it changes nothing, and the preview has neither places nor names.
"""

import json
from math import ceil
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from tracking import shares
from tracking.models import Trip
from tracking.pages.languages import in_chosen_language
from tracking.pages.trip_words import headline_of
from tracking.pages.widgets import module_urls, reverse_or_empty, shared_texts, widget_context
from tracking.protocol import encode_trip
from tracking.rest.throttling import SharedTripThrottle
from tracking.trips.content import shared_content_of

# The link is the credential: it must reach no search engine, no cache and no other site.
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}
# What only riders have: links of their own, cars nearby, the summary, and the memory for times
# offline. An old phone loads less.
RIDERS_MODULES: Final = {"tripShare", "tripCars", "tripSummary", "memory"}
PREVIEW_IMAGE: Final = "tracking/share-preview.png"


# Compressed, which is safe here: the page repeats nothing that another site could send.
@require_safe
@gzip_page
@sensitive_variables("secret")
@in_chosen_language
def shared_trip(request: HttpRequest, secret: str) -> HttpResponse:
    """Show the trip of a link; 410 once the link or the trip has ended, 404 for an unknown link."""
    throttle: Any = SharedTripThrottle()
    if not throttle.allow_request(request, None):
        response = _answer(request, "tracking/shared_trip_busy.html", 429)
        response["Retry-After"] = str(ceil(throttle.wait() or 1))
        return response
    share = shares.resolve(secret)
    if share is None:
        return _answer(request, "tracking/shared_trip_unknown.html", 404)
    if not shares.is_open(share, timezone.now()):
        return _answer(request, "tracking/shared_trip_ended.html", 410)
    context = shared_trip_context(share.trip, reverse("tracking_shares:token", args=[secret]))
    return _answer(request, "tracking/shared_trip_page.html", 200, context)


def shared_trip_context(trip: Trip, token_url: str) -> dict[str, Any]:
    """Return the context of the trip's widget as a link shows it."""
    content = shared_content_of(trip)
    texts = shared_texts()
    modules = {
        name: address
        for name, address in module_urls("trip-map").items()
        if name not in RIDERS_MODULES
    }
    return widget_context(
        "trip-map",
        trip_id=trip.pk,
        trip_frame=encode_trip(content),
        http_url=reverse_or_empty("tracking_trips:stream", trip.pk),
        # The page has no session, so there is nothing to log in to and no form to protect.
        token_url=token_url,
        log_in_url="",
        csrf_token="",
        shared=True,
        said=headline_of(content, texts),
        modules=json.dumps(modules),
        preloads=list(modules.values()),
        texts=json.dumps(texts, ensure_ascii=False),
    )


def _answer(
    request: HttpRequest, template: str, status: int, context: dict[str, Any] | None = None
) -> HttpResponse:
    image = request.build_absolute_uri(static(PREVIEW_IMAGE))
    response = render(request, template, {"preview_image": image, **(context or {})}, status=status)
    for name, value in HEADERS.items():
        response[name] = value
    return response
