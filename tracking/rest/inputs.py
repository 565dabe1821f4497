"""Bodies that are read with REST framework's serializers: strict, and with aware times."""

from datetime import UTC, datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request


class AwareDateTimeField(serializers.DateTimeField):
    """RFC 3339: the input must have a time zone, the output is in UTC."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)

    def enforce_timezone(self, value: datetime) -> datetime:
        if timezone.is_naive(value):
            raise serializers.ValidationError(_("Give the time zone: 2026-01-31T12:00:00Z."))
        return super().enforce_timezone(value)


class Input(serializers.Serializer[Any]):
    """Refuses unknown keys, because a misspelt key would change less, or more, than was meant."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if set(self.initial_data) - set(self.fields):
            # Without the unknown key, because messages never quote input.
            known = ", ".join(self.fields)
            raise serializers.ValidationError(
                _("There is a field too many. There are: %(known)s.") % {"known": known}
            )
        return attrs


def read(serializer_class: type[Input], request: Request) -> dict[str, Any]:
    """Return the validated body; raise ValidationError."""
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    validated: dict[str, Any] = serializer.validated_data
    return validated
