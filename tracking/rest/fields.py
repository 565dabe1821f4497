"""Serializer fields for the ids of the project's users."""

from typing import Any

from rest_framework import serializers

from tracking.ids import INTEGERS
from tracking.people import USER_IDS


class UUIDField(serializers.UUIDField):
    """DRF's UUIDField, which accepts only the spellings that the socket's `userId` may have."""

    def to_internal_value(self, data: Any) -> Any:
        user_id = USER_IDS.parse_claim(data)
        if user_id is None:
            self.fail("invalid", value=data)
        return user_id


def user_id_field(
    *, min_value: int | None = None, max_value: int | None = None, **kwargs: Any
) -> serializers.Field[Any, Any, Any, Any]:
    """Return a field for a user's id; the bounds apply only to integers."""
    if USER_IDS is INTEGERS:
        return serializers.IntegerField(min_value=min_value, max_value=max_value, **kwargs)
    return UUIDField(**kwargs)
