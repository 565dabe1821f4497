"""Cells about webhooks in the admin: the status of an endpoint, of a delivery, and their links."""

from typing import Any, Final

from django.contrib.admin.utils import quote
from django.db.models import Exists, OuterRef, QuerySet
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tracking.admin.cells import minute_cell, status_cell
from tracking.models import EventType, WebhookDelivery, WebhookEndpoint

# Why and since when an endpoint is disabled.
DISABLED: Final = {
    "staff": gettext_lazy("by staff since {}"),
    "gone": gettext_lazy("because it answered 410 Gone, since {}"),
    "failing": gettext_lazy("because its deliveries failed for five days, since {}"),
}

# The characters of an address that are shown in a list.
MAX_SHOWN: Final = 60


def with_success(rows: "QuerySet[WebhookEndpoint]") -> "QuerySet[WebhookEndpoint]":
    """Return the endpoints with `has_delivered`: whether a delivery has succeeded."""
    delivered = WebhookDelivery.objects.filter(endpoint=OuterRef("pk"), status="delivered")
    return rows.annotate(has_delivered=Exists(delivered))


def endpoint_status(endpoint: Any) -> SafeString:
    """Return in plain words whether an endpoint of `with_success` gets its deliveries."""
    if endpoint.disabled_at is not None:
        name, label = "webhook-disabled", _("disabled")
        words = DISABLED.get(endpoint.disabled_reason, gettext_lazy("since {}"))
        text = format_html(str(words), minute_cell(endpoint.disabled_at))
    elif endpoint.failing_since is not None:
        name, label = "webhook-failed", _("failing")
        text = format_html(_("since {}"), minute_cell(endpoint.failing_since))
    elif endpoint.has_delivered:
        return status_cell("webhook-delivered", _("works"))
    else:
        return status_cell("webhook-pending", _("nothing delivered yet"))
    return format_html('{} <span class="tracking-why">{}</span>', status_cell(name, label), text)


def delivery_status(delivery: WebhookDelivery) -> SafeString:
    """Return the status of a delivery in its colour."""
    label = WebhookDelivery.Status(delivery.status).label
    return status_cell(f"webhook-{delivery.status}", label)


def delivery_status_and_next(delivery: WebhookDelivery) -> SafeString:
    """Return the status of a delivery, and when it is tried next."""
    status = delivery_status(delivery)
    if (due := next_attempt(delivery)) is None:
        return status
    text = format_html(_("next at {}"), due)
    return format_html('{} <span class="tracking-why">{}</span>', status, text)


def next_attempt(delivery: WebhookDelivery) -> SafeString | None:
    """Return when a pending delivery is due, or None."""
    if delivery.status != "pending" or delivery.next_attempt_at is None:
        return None
    return minute_cell(delivery.next_attempt_at)


def result(delivery: WebhookDelivery) -> str:
    """Return the status code and the duration of the last attempt: "503 in 9870 ms"."""
    if delivery.last_attempt_at is None:
        return "–"
    took = _("%(count)d ms") % {"count": round((delivery.duration or 0) * 1000)}
    if delivery.status_code is None:
        return _("none in %(duration)s") % {"duration": took}
    return _("%(code)d in %(duration)s") % {"code": delivery.status_code, "duration": took}


def address(endpoint: WebhookEndpoint) -> str:
    """Return the beginning of an endpoint's address, without its query, which may be a secret."""
    url = endpoint.url.partition("?")[0]
    return url if len(url) <= MAX_SHOWN else f"{url[: MAX_SHOWN - 1]}…"


def type_cell(kind: str) -> SafeString:
    """Return the name of a type; its tooltip has the type in words."""
    words = dict(EventType.choices).get(kind, "")
    return format_html('<code title="{}">{}</code>', words, kind)


def page_link(site: str, row: Any, text: object) -> SafeString:
    """Return the link to a row's page in the admin site of this name."""
    url = reverse(f"{site}:tracking_{row._meta.model_name}_change", args=[quote(row.pk)])
    return format_html('<a href="{}"><bdi>{}</bdi></a>', url, text)
