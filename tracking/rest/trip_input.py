"""Bodies and filters of the REST API of trips."""

from typing import Any, Final

from rest_framework import serializers

from tracking.ids import MAX_ID
from tracking.models import TripStatus
from tracking.rest.fields import NameField, user_id_field
from tracking.rest.inputs import AwareDateTimeField, Input

# Without labels, so that OpenAPI has one name for them and for the answers' statuses.
STATUSES: Final = list(TripStatus.values)


class WaypointField(serializers.DictField):
    """A waypoint, which `tracking.trips` checks."""


class CreateInput(Input):
    reference = serializers.CharField(required=False, allow_blank=True)
    riders = serializers.ListField(child=user_id_field(min_value=1, max_value=MAX_ID))
    driver = user_id_field(min_value=1, max_value=MAX_ID, required=False, allow_null=True)
    waypoints = serializers.ListField(child=WaypointField(), required=False)
    vehicle = serializers.CharField(required=False, allow_blank=True)
    ends_at = AwareDateTimeField(required=False, allow_null=True)


class AssignInput(Input):
    driver = user_id_field(min_value=1, max_value=MAX_ID, allow_null=True)
    vehicle = serializers.CharField(required=False, allow_blank=True)
    version = serializers.IntegerField(
        min_value=1,
        required=False,
        help_text="The trip's version that you have seen: 409 `trip_changed` if it has another.",
    )
    reason = serializers.CharField(required=False, allow_blank=True)


class StatusInput(Input):
    status = NameField(STATUSES)
    reason = serializers.CharField(required=False, allow_blank=True)


class EndInput(Input):
    reason = serializers.CharField(required=False, allow_blank=True)


class TripListInput(serializers.Serializer[Any]):
    status = NameField(STATUSES, required=False)
    open = serializers.BooleanField(required=False)
    driver = user_id_field(required=False, max_value=MAX_ID)
    rider = user_id_field(required=False, max_value=MAX_ID)
    reference = serializers.CharField(required=False)
    assigned = serializers.BooleanField(
        required=False, help_text="False: only trips that wait for a driver."
    )
    sort = NameField(
        ["newest", "oldest"], required=False, help_text="Which first. By default the newest."
    )
