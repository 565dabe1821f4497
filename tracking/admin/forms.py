"""The field of the admin's forms that names a driver."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from tracking.permissions import NO_DRIVER, is_driver


class DriverForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A form whose `driver`, where it has one, must be a user who may publish."""

    def clean_driver(self) -> Any:
        driver = self.cleaned_data["driver"]
        if not is_driver(driver):
            raise ValidationError(NO_DRIVER, code="no_driver")
        return driver
