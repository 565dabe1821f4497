"""The columns of the list of trips, and the facts on a trip's page."""

from datetime import datetime

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy

from tracking import states
from tracking.admin.cells import arrival_cell, minute_cell, status_cell, user_cell
from tracking.admin.trip_cells import riders_cell, trip_status_cell
from tracking.models import State, Trip, TripEta
from tracking.people import SEARCH_FIELDS, identity


def _minute(at: datetime | None) -> str:
    return minute_cell(at) if at is not None else "–"


def distance_of(trip: Trip) -> float | None:
    """Return the metres that a trip drove on streets; None if they are not known."""
    match = getattr(trip, "match", None)
    return None if match is None else match.distance


class TripColumns(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """A mixin for the admin of `Trip`."""

    @admin.display(description=gettext_lazy("reference"), ordering="reference")
    def reference_or_id(self, trip: Trip) -> str:
        return str(trip)

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def status_cell(self, trip: Trip) -> str:
        return trip_status_cell(trip.status)

    @admin.display(description=gettext_lazy("driver"), ordering=f"driver__{SEARCH_FIELDS[-1]}")
    def driver_identity(self, trip: Trip) -> str:
        return identity(trip.driver) if trip.driver is not None else "–"

    @admin.display(description=gettext_lazy("arrives in"), ordering="eta__arrives_at")
    def arrives_in(self, trip: Trip) -> str:
        eta = getattr(trip, "eta", None)
        if eta is None or trip.is_over:
            return "–"
        return arrival_cell(eta.arrives_at, is_sure=eta.confidence == TripEta.Confidence.HIGH)

    @admin.display(description=gettext_lazy("riders"))
    def riders_named(self, trip: Trip) -> str:
        return riders_cell(trip)

    @admin.display(description=gettext_lazy("riders"))
    def all_riders(self, trip: Trip) -> str:
        riders = ((identity(rider),) for rider in trip.riders.all())
        return format_html_join("", '<div class="tracking-person">{}</div>', riders) or "–"

    @admin.display(description=gettext_lazy("created"), ordering="pk")
    def created(self, trip: Trip) -> str:
        return minute_cell(trip.created_at)

    @admin.display(description=gettext_lazy("created"))
    def created_and_by(self, trip: Trip) -> str:
        if trip.created_by_id is None:
            return minute_cell(trip.created_at)
        name = user_cell(trip, "created_by")
        return format_html("{}, {}", minute_cell(trip.created_at), name)

    @admin.display(description=gettext_lazy("assigned"))
    def assigned(self, trip: Trip) -> str:
        return _minute(trip.assigned_at)

    @admin.display(description=gettext_lazy("ended"), ordering="ended_at")
    def ended(self, trip: Trip) -> str:
        return _minute(trip.ended_at)

    @admin.display(description=gettext_lazy("distance on streets"))
    def matched_distance(self, trip: Trip) -> str:
        """Return the distance that a routing engine found from the fixes of a finished trip."""
        metres = distance_of(trip)
        return "–" if metres is None else f"{number_format(metres / 1000, decimal_pos=2)} km"

    @admin.display(description=gettext_lazy("ends at the latest"))
    def latest_end(self, trip: Trip) -> str:
        return _minute(trip.ends_at)

    @admin.display(description=gettext_lazy("driver's state"))
    def state_link(self, trip: Trip) -> str:
        """Return the driver's state, a link to its page; a dash if it has none."""
        row = states.state_of(trip.driver_id) if trip.driver_id is not None else None
        if row is None:
            return "–"
        url = reverse(f"{self.admin_site.name}:tracking_driverstate_change", args=[quote(row.pk)])
        cell = status_cell(row.state, State(row.state).label)
        return format_html('<a href="{}">{}</a>', url, cell)
