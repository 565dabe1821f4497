"""The rule that decides which accounts may share a trip, and whose links stay open."""

from typing import Any

from django.db.models import Exists, OuterRef

from tracking.models import Trip, TripShareQuerySet


def may_share(user: Any, trip: Trip) -> bool:
    """Return True for the riders of the trip, and for staff who may change trips."""
    return may_change_trips(user) or trip.riders.filter(pk=user.pk).exists()


def may_change_trips(user: Any) -> bool:
    """Return True for staff who may change trips, as in the admin."""
    return bool(user.is_staff and user.has_perm("tracking.change_trip"))


def with_members(shares: TripShareQuerySet) -> Any:
    """Return the query with `is_of_rider`: whether a link's account rides its trip."""
    members: Any = Trip.riders.through._default_manager
    rider = {Trip.riders.field.m2m_reverse_field_name(): OuterRef("created_by")}
    return shares.annotate(is_of_rider=Exists(members.filter(trip=OuterRef("trip"), **rider)))
