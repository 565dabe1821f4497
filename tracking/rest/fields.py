"""Serializer fields: degrees, names, and the ids of the project's users."""

import math
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from tracking.ids import INTEGERS
from tracking.people import USER_IDS


class DegreesField(serializers.FloatField):
    """Decimal degrees, without what `float` also accepts: NaN and booleans."""

    def to_internal_value(self, data: Any) -> float:
        value = super().to_internal_value(data)
        if isinstance(data, bool) or math.isnan(value):
            self.fail("invalid")
        return value


class NameField(serializers.ChoiceField):
    """One of a few names. DRF's own message would quote the input."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            return super().to_internal_value(data)
        except serializers.ValidationError as error:
            names = ", ".join(map(str, self.choices))
            text = _("Give one of: %(names)s.") % {"names": names}
            raise serializers.ValidationError(text) from error


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
