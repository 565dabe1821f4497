"""The hot history: one row for each fix of the last days."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from tracking.models.fields import RealField, of_driver


class HistoryFix(models.Model):
    """A fix as it was accepted, aware UTC; on PostgreSQL partitioned by the day of `recorded_at`.

    Written by `tracking.history.writer`, read by `tracking.history.reading`, and after
    `HISTORY_HOT_DAYS` packed into `HistorySegment`. Degrees are integers of 1e-7: 4 bytes each, and
    exactly the 7 decimals that are kept. The order of the columns avoids padding.
    """

    pk = models.CompositePrimaryKey("driver_id", "recorded_at")
    driver = of_driver()
    recorded_at = models.DateTimeField()
    received_at = models.DateTimeField()
    latitude_e7 = models.IntegerField()
    longitude_e7 = models.IntegerField()
    accuracy = RealField(null=True)
    heading = RealField(null=True)
    speed = RealField(null=True)
    battery = models.SmallIntegerField(null=True)
    charging = models.BooleanField(null=True)
    mock = models.BooleanField()

    class Meta:
        verbose_name = _("fix in the history")
        verbose_name_plural = _("fixes in the history")
        default_permissions = ("view", "delete")

    def __str__(self) -> str:
        return f"driver {self.driver_id} at {self.recorded_at}"
