"""The pages as apps: the manifests, the service worker, and the page to show offline.

Two apps, of the driver's page and of the riders' trips, each with a scope of its own: a service
worker that the host has for its whole site is left alone. All of this is public and has no data of
any user, as browsers ask for it without cookies and store it.
"""

import hashlib
import json
import re
from html import unescape
from typing import Final, NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from tracking.models import Trip
from tracking.pages.widgets import reverse_or_empty, widget_context

ICONS: Final = (
    {"src": "mark.svg", "sizes": "any", "type": "image/svg+xml"},
    {"src": "icons/icon-192.png", "sizes": "192x192", "type": "image/png"},
    {"src": "icons/icon-512.png", "sizes": "512x512", "type": "image/png"},
    {
        "src": "icons/maskable-512.png",
        "sizes": "512x512",
        "type": "image/png",
        "purpose": "maskable",
    },
)
# Those of `page.css`: a manifest has no colours for the dark scheme, the pages' heads do.
THEME: Final = "#ffffff"
BACKGROUND: Final = "#eef1f6"


class App(NamedTuple):
    """An app: its names, the namespace of its URLs, the first page, and the pages it covers."""

    name: str
    short_name: str
    description: str
    namespace: str
    start: str
    # What follows the scope in the paths of the pages, a regular expression of JavaScript.
    pages: str
    # The start page leads to another one, which says nothing about who is logged in.
    start_redirects: bool

    @property
    def start_url(self) -> str:
        return reverse(f"{self.namespace}:{self.start}")

    @property
    def scope(self) -> str:
        """The path under which the browser treats pages as this app."""
        return self.start_url.removesuffix("app/")


APPS: Final = {
    "driver": App(
        name=_("Your shift"),
        short_name=_("Shift"),
        description=_("Go on duty, share your location, and drive your trips."),
        namespace="tracking",
        start="share",
        pages="",
        start_redirects=False,
    ),
    "trip": App(
        name=_("Your trip"),
        short_name=_("Trip"),
        description=_("See your driver on the way to you."),
        namespace="tracking_trips",
        start="app",
        pages=r"(\d+/(map/)?|app/)",
        start_redirects=True,
    ),
}


def addresses(name: str) -> dict[str, str]:
    """Return the addresses of an app for the head of its pages; none if its URLs are missing."""
    app = APPS[name]
    if not reverse_or_empty(f"{app.namespace}:{app.start}"):
        return {}
    # In the language of the page: browsers ask for these without its cookies.
    query = urlencode({"lang": translation.get_language() or settings.LANGUAGE_CODE})
    return {
        "manifest": f"{reverse(f'{app.namespace}:app-manifest')}?{query}",
        "worker": f"{reverse(f'{app.namespace}:app-worker')}?{query}",
        "scope": app.scope,
    }


@require_safe
@never_cache
def manifest(request: HttpRequest, app: str) -> HttpResponse:
    """Return the web app manifest: https://www.w3.org/TR/appmanifest/."""
    found = APPS[app]
    with translation.override(_language(request)):
        content = {
            "id": found.start_url,
            "name": gettext(found.name),
            "short_name": gettext(found.short_name),
            "description": gettext(found.description),
            "lang": translation.get_language(),
            "dir": "rtl" if translation.get_language_bidi() else "ltr",
            "start_url": found.start_url,
            "scope": found.scope,
            "display": "standalone",
            "theme_color": THEME,
            "background_color": BACKGROUND,
            "icons": [icon | {"src": static(f"tracking/{icon['src']}")} for icon in ICONS],
        }
    return JsonResponse(content, content_type="application/manifest+json")


@require_safe
@never_cache
def worker(request: HttpRequest, app: str) -> HttpResponse:
    """Return the service worker's script. It changes with each file that the offline page needs."""
    found = APPS[app]
    language = _language(request)
    page = _offline_page(request, app, language).content.decode()
    files = sorted(set(re.findall(rf'"({re.escape(static(""))}[^"]+)"', unescape(page))))
    script = static("tracking/app-worker.js")
    version = hashlib.sha256(json.dumps([page, script]).encode()).hexdigest()[:12]
    family = f"tracking-app-{app}-"
    config = {
        "family": family,
        "cache": f"{family}{version}",
        "page": f"{reverse(f'{found.namespace}:app-offline')}?{urlencode({'lang': language})}",
        "files": files,
        "paths": f"^{re.escape(found.scope)}{found.pages}$",
        "start": found.start_url if found.start_redirects else "",
    }
    text = f"self.app = {json.dumps(config)};\nimportScripts({json.dumps(script)});\n"
    return HttpResponse(text, content_type="text/javascript; charset=utf-8")


@require_safe
@never_cache
def offline(request: HttpRequest, app: str) -> HttpResponse:
    """Show the page that the service worker stores, which has no data of any user."""
    return _offline_page(request, app, _language(request))


@require_safe
@never_cache
@login_required
def current_trip(request: HttpRequest) -> HttpResponse:
    """Lead riders to their newest open trip, from the icon on their phone."""
    trips = Trip.objects.filter(riders=request.user.pk, ended_at=None)
    trip = trips.order_by("-pk").values_list("pk", flat=True).first()
    if trip is None:
        return render(request, "tracking/no_trip_page.html")
    return redirect("tracking_trips:trip-detail", trip)


def _offline_page(request: HttpRequest, app: str, language: str) -> HttpResponse:
    with translation.override(language):
        context = widget_context("offline")
        shown = {"app": app, "modules": context["modules"], "texts": context["texts"]}
        return render(request, "tracking/offline_page.html", shown)


def _language(request: HttpRequest) -> str:
    """Return the language that the page asks for, or else that of the request."""
    asked = request.GET.get("lang", "")
    if asked in dict(settings.LANGUAGES):
        return asked
    return translation.get_language() or settings.LANGUAGE_CODE
