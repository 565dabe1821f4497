"""Deliveries of webhooks in the admin: see them, and deliver again."""

from typing import Any, ClassVar, Final
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from tracking.admin.cells import minute_cell
from tracking.admin.problems import show_problems
from tracking.admin.read_only import ReadOnlyAdmin
from tracking.admin.webhook_cells import (
    delivery_status,
    delivery_status_and_next,
    next_attempt,
    page_link,
    result,
    type_cell,
)
from tracking.models import WebhookDelivery
from tracking.webhooks import endpoints
from tracking.webhooks.message import body_of

# Deliveries of one action: a page of the list.
MAX_DELIVERIES: Final = 100


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    """Deliveries, which can only be made due again."""

    list_display = ("created", "status_and_next", "type", "endpoint_text", "result", "attempts")
    list_filter = ("status", "event__type", "endpoint")
    list_select_related = ("event", "endpoint")
    # For the box: `get_search_results` finds the deliveries.
    search_fields = ("event__id",)
    search_help_text = gettext_lazy("Search by webhook-id")
    # Newest first. There is no hierarchy of dates, which would read the whole table.
    ordering = ("-pk",)
    empty_value_display = "–"
    # Counting all rows of a large table takes PostgreSQL seconds.
    show_full_result_count = False
    actions = ("redeliver_selected",)
    change_form_template = "admin/tracking/webhookdelivery/change_form.html"

    class Media:
        css: ClassVar[dict[str, list[str]]] = {
            "all": ["tracking/admin.css", "tracking/webhooks-admin.css"]
        }

    @admin.display(description=gettext_lazy("time"), ordering="-pk")
    def created(self, delivery: WebhookDelivery) -> SafeString:
        return minute_cell(delivery.created_at)

    @admin.display(description=gettext_lazy("event"), ordering="event__type")
    def type(self, delivery: WebhookDelivery) -> SafeString:
        return type_cell(delivery.event.type)

    @admin.display(description=gettext_lazy("status"))
    def status_cell(self, delivery: WebhookDelivery) -> SafeString:
        return delivery_status(delivery)

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def status_and_next(self, delivery: WebhookDelivery) -> SafeString:
        return delivery_status_and_next(delivery)

    @admin.display(description=gettext_lazy("answer"), ordering="status_code")
    def result(self, delivery: WebhookDelivery) -> str:
        return result(delivery)

    @admin.display(description=gettext_lazy("status code"))
    def code(self, delivery: WebhookDelivery) -> str:
        return str(delivery.status_code or "–")

    @admin.display(description=gettext_lazy("duration"))
    def milliseconds(self, delivery: WebhookDelivery) -> str:
        if delivery.duration is None:
            return "–"
        return _("%(count)d ms") % {"count": round(delivery.duration * 1000)}

    @admin.display(description=gettext_lazy("next attempt"))
    def next_attempt(self, delivery: WebhookDelivery) -> SafeString | str:
        return next_attempt(delivery) or "–"

    @admin.display(description=gettext_lazy("last attempt"))
    def last_attempt(self, delivery: WebhookDelivery) -> SafeString | str:
        at = delivery.last_attempt_at
        return minute_cell(at) if at else "–"

    @admin.display(description=gettext_lazy("event"))
    def event_link(self, delivery: WebhookDelivery) -> SafeString:
        return page_link(self.admin_site.name, delivery.event, delivery.event.type)

    @admin.display(description=gettext_lazy("endpoint"))
    def endpoint_link(self, delivery: WebhookDelivery) -> SafeString:
        return page_link(self.admin_site.name, delivery.endpoint, delivery.endpoint)

    @admin.display(description=gettext_lazy("endpoint"), ordering="endpoint")
    def endpoint_text(self, delivery: WebhookDelivery) -> str:
        # Of a foreign key itself, Django would make a link.
        return str(delivery.endpoint)

    @admin.display(description="webhook-id")
    def webhook_id(self, delivery: WebhookDelivery) -> SafeString:
        return format_html("<code>{}</code>", delivery.event_id)

    @admin.display(description=gettext_lazy("answer"))
    def answer_text(self, delivery: WebhookDelivery) -> SafeString | str:
        return _text(delivery.answer) if delivery.answer else "–"

    @admin.display(description=gettext_lazy("body"))
    def body(self, delivery: WebhookDelivery) -> SafeString:
        return _text(body_of(delivery.event).decode())

    @admin.action(description=gettext_lazy("Deliver again"), permissions=["redeliver"])
    def redeliver_selected(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        rows = list(queryset.select_related("endpoint", "event")[: MAX_DELIVERIES + 1])
        if len(rows) > MAX_DELIVERIES:
            text = _("Select %(count)d deliveries at most: nothing was changed.")
            self.message_user(request, text % {"count": MAX_DELIVERIES}, messages.ERROR)
            return
        problems = []
        for row in rows:
            try:
                endpoints.redeliver(row)
            except endpoints.EndpointDisabled:
                text = _("Endpoint %(endpoint)s is disabled: %(type)s stays as it is.")
                problems.append(text % {"type": row.event.type, "endpoint": row.endpoint})
        show_problems(self, request, problems)
        if count := len(rows) - len(problems):
            text = ngettext("%(count)d delivery is due now.", "%(count)d are due now.", count)
            self.message_user(request, text % {"count": count}, messages.SUCCESS)

    def has_redeliver_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tracking.change_webhookdelivery")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[WebhookDelivery], search_term: str
    ) -> tuple[QuerySet[WebhookDelivery], bool]:
        """Find the deliveries of one event."""
        if not search_term.strip():
            return queryset, False
        try:
            return queryset.filter(event=UUID(search_term.strip())), False
        except ValueError:
            return queryset.none(), False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        may = request.user.has_perm
        return (
            "status_cell",
            "event_link" if may("tracking.view_event") else "type",
            "endpoint_link" if may("tracking.view_webhookendpoint") else "endpoint_text",
            "webhook_id",
            "created",
            "attempts",
            "last_attempt",
            "next_attempt",
            "code",
            "milliseconds",
            "answer_text",
            "body",
        )

    def get_urls(self) -> list[Any]:
        view = require_POST(self.admin_site.admin_view(self.redeliver_view))
        name = "tracking_webhookdelivery_redeliver"
        return [path("<path:object_id>/redeliver/", view, name=name), *super().get_urls()]

    def redeliver_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make the delivery due now, and show its page again."""
        delivery = self.get_object(request, unquote(object_id))
        if delivery is None:
            raise Http404
        if not self.has_redeliver_permission(request):
            raise PermissionDenied
        try:
            endpoints.redeliver(delivery)
        except endpoints.EndpointDisabled as error:
            self.message_user(request, error.reasons["endpoint"][0], messages.ERROR)
        else:
            text = _("It is due now. Reload this page to see the answer.")
            self.message_user(request, text, messages.SUCCESS)
        url = reverse(
            f"{self.admin_site.name}:tracking_webhookdelivery_change", args=[quote(delivery.pk)]
        )
        return HttpResponseRedirect(url)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002 - as in Django
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        context |= {
            "title": _("Delivery of %(type)s") % {"type": obj.event.type},
            "subtitle": None,
            "may_redeliver": self.has_redeliver_permission(request),
        }
        return super().render_change_form(request, context, add, change, form_url, obj)


def _text(text: str) -> SafeString:
    return format_html('<pre class="tracking-text" tabindex="0">{}</pre>', text)
