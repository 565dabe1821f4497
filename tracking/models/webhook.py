"""Webhooks: endpoints of other systems, and the deliveries of events to them."""

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tracking.models.fields import by_user


class WebhookEndpoint(models.Model):
    """An address to which events are delivered, and the types of events that it gets.

    Written only by `tracking.webhooks`. `secret` signs the deliveries, and `former_secret` too
    until `former_secret_until`. Since `failing_since` no delivery has succeeded. A disabled
    endpoint gets nothing. At `mail_due_at`, ADMINS are to be told that it was disabled.
    """

    class DisabledReason(models.TextChoices):
        STAFF = "staff", _("by staff")
        GONE = "gone", _("it answered 410 Gone")
        FAILING = "failing", _("its deliveries failed for five days")

    url = models.CharField(_("URL"), max_length=2000)
    description = models.CharField(_("description"), max_length=200, blank=True)
    events: Any = models.JSONField(_("types of events"), default=list)
    secret = models.CharField(max_length=100, editable=False)
    former_secret = models.CharField(max_length=100, blank=True, editable=False)
    former_secret_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    created_by: Any = by_user(_("created by"))
    disabled_at = models.DateTimeField(_("disabled at"), null=True, editable=False)
    disabled_reason = models.CharField(
        _("reason"), max_length=20, choices=DisabledReason.choices, blank=True, editable=False
    )
    failing_since = models.DateTimeField(_("failing since"), null=True, editable=False)
    mail_due_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("webhook endpoint")
        verbose_name_plural = _("webhook endpoints")

    def __str__(self) -> str:
        return self.description or self.url.partition("?")[0]


class WebhookDelivery(models.Model):
    """An event on its way to an endpoint: pending, delivered, or given up as failed.

    It is due at `next_attempt_at`, unless a process works on it until `claimed_until`.
    `status_code`, `duration` (seconds) and `answer` (the beginning of the body, or the error) are
    those of the last attempt.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("pending")
        DELIVERED = "delivered", _("delivered")
        FAILED = "failed", _("failed")

    event = models.ForeignKey(
        "tracking.Event",
        on_delete=models.CASCADE,
        related_name="deliveries",
        verbose_name=_("event"),
    )
    endpoint = models.ForeignKey(
        WebhookEndpoint,
        on_delete=models.CASCADE,
        db_index=False,
        related_name="deliveries",
        verbose_name=_("endpoint"),
    )
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.PENDING
    )
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    created_at = models.DateTimeField(_("created at"))
    next_attempt_at = models.DateTimeField(_("next attempt at"), null=True)
    claimed_until = models.DateTimeField(null=True, editable=False)
    last_attempt_at = models.DateTimeField(_("last attempt at"), null=True)
    status_code = models.PositiveSmallIntegerField(_("status code"), null=True)
    duration = models.FloatField(_("duration"), null=True)
    answer = models.CharField(_("answer"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        default_permissions = ("view", "change")
        indexes = [
            # What is due: nearly all rows are done.
            models.Index(
                fields=["endpoint", "next_attempt_at"],
                condition=Q(status="pending"),
                name="tracking_delivery_due",
            ),
            models.Index(fields=["endpoint", "-id"], name="tracking_delivery_of_endpoint"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["pending", "delivered", "failed"]),
                name="tracking_delivery_status_valid",
            ),
            models.CheckConstraint(
                condition=~Q(status="pending") | Q(next_attempt_at__isnull=False),
                name="tracking_delivery_pending_is_due",
            ),
            models.UniqueConstraint(fields=["event", "endpoint"], name="tracking_delivery_once"),
        ]

    def __str__(self) -> str:
        names = {"event": self.event_id, "endpoint": self.endpoint_id}
        status = {"status": self.get_status_display()}
        return gettext("%(event)s to endpoint %(endpoint)s: %(status)s") % (names | status)
