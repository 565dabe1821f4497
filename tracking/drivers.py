"""The field of the admin's forms that names a driver."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from tracking.permissions import is_driver

NO_DRIVER = _(
    "This user is not a driver and shares no location. "
    "Choose a driver, or make this user one first."
)


class DriverForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A form whose `driver`, where it has one, must be a user who may publish."""

    def clean_driver(self) -> Any:
        driver = self.cleaned_data["driver"]
        if not is_driver(driver):
            raise ValidationError(NO_DRIVER, code="no_driver")
        return driver
