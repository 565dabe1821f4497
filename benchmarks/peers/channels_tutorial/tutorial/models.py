"""Each driver's last location."""

from django.conf import settings
from django.db import models


class Location(models.Model):
    """A driver's last location, in WGS 84 degrees."""

    driver = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True
    )
    latitude = models.FloatField()
    longitude = models.FloatField()
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"driver {self.driver_id}"
