"""The packed history: one row for each driver's hour."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from tracking.models.fields import of_driver


class HistorySegment(models.Model):
    """A driver's fixes of one hour, from `hour` on, compressed by `tracking.history.packing`.

    On PostgreSQL partitioned by the day of `hour`. `first_at` is the time of the earliest fix.
    """

    pk = models.CompositePrimaryKey("driver_id", "hour")
    driver = of_driver()
    hour = models.DateTimeField()
    first_at = models.DateTimeField()
    count = models.IntegerField()
    data = models.BinaryField()

    class Meta:
        verbose_name = _("packed hour of the history")
        verbose_name_plural = _("packed hours of the history")
        default_permissions = ()

    def __str__(self) -> str:
        return f"driver {self.driver_id}, {self.hour}"
