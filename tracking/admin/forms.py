"""A form of the admin with a driver."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from tracking.permissions import NO_DRIVER, is_driver


class DriverForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Validate that `driver`, if the form has that field, is a user who may publish."""

    def clean_driver(self) -> Any:
        driver = self.cleaned_data["driver"]
        if not is_driver(driver):
            raise ValidationError(NO_DRIVER, code="no_driver")
        return driver
