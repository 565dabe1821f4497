"""Webhook endpoints in the admin: add them, rotate secrets, send tests, disable and enable them."""

from collections.abc import Callable
from typing import Any, ClassVar, Final

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST

from tracking.admin.cells import minute_cell, user_cell
from tracking.admin.webhook_cells import address, endpoint_status, type_cell, with_success
from tracking.admin.webhook_forms import EndpointForm
from tracking.admin.webhook_tables import deliveries_table
from tracking.models import WebhookDelivery, WebhookEndpoint
from tracking.webhooks import endpoints

# The types that a list shows. The number of the others follows.
NAMED_TYPES: Final = 1


class StatusFilter(admin.SimpleListFilter):
    title = gettext_lazy("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("enabled", gettext_lazy("enabled")),
            ("failing", gettext_lazy("failing")),
            ("disabled", gettext_lazy("disabled")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        if value == "failing":
            return queryset.filter(disabled_at=None, failing_since__isnull=False)
        if value in ("enabled", "disabled"):
            return queryset.filter(disabled_at__isnull=value == "enabled")
        return queryset


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Endpoints. The secret is on the page after adding and after rotating, and nowhere else."""

    form = EndpointForm
    list_display = ("name", "status", "address", "types")
    list_filter = (StatusFilter,)
    search_fields = ("description", "url")
    search_help_text = gettext_lazy("Search by description or URL")
    ordering = ("-pk",)
    empty_value_display = "–"
    change_form_template = "admin/tracking/webhookendpoint/change_form.html"

    class Media:
        css: ClassVar[dict[str, list[str]]] = {
            "all": ["tracking/admin.css", "tracking/webhooks-admin.css"]
        }

    @admin.display(description=gettext_lazy("endpoint"), ordering="description")
    def name(self, endpoint: WebhookEndpoint) -> str:
        return endpoint.description or f"#{endpoint.pk}"

    @admin.display(description=gettext_lazy("status"))
    def status(self, endpoint: WebhookEndpoint) -> SafeString:
        return endpoint_status(endpoint)

    @admin.display(description=gettext_lazy("URL"), ordering="url")
    def address(self, endpoint: WebhookEndpoint) -> str:
        return address(endpoint)

    @admin.display(description=gettext_lazy("types of events"))
    def types(self, endpoint: WebhookEndpoint) -> str:
        kinds = endpoint.events
        more = len(kinds) - NAMED_TYPES
        return ", ".join([*kinds[:NAMED_TYPES], *([f"+{more}"] if more > 0 else [])])

    @admin.display(description=gettext_lazy("types of events"))
    def all_types(self, endpoint: WebhookEndpoint) -> SafeString:
        return format_html_join(" ", "{}", ((type_cell(kind),) for kind in endpoint.events))

    @admin.display(description=gettext_lazy("created"), ordering="created_at")
    def created(self, endpoint: WebhookEndpoint) -> SafeString:
        return minute_cell(endpoint.created_at)

    @admin.display(description=gettext_lazy("created by"))
    def author(self, endpoint: WebhookEndpoint) -> str:
        return user_cell(endpoint, "created_by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEndpoint]:
        # No page needs the secrets.
        return with_success(super().get_queryset(request)).defer("secret", "former_secret")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ("url", "description", "events")
        kinds = "events" if self.has_change_permission(request, obj) else "all_types"
        return ("url", "description", kinds, "created", "author")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else ("all_types", "created", "author")

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002 - as in Django
        **kwargs: Any,
    ) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.by = request.user.pk  # the class was made for this request
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        """Do nothing: the form has called `tracking.webhooks.endpoints`."""

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        endpoints.delete(obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for endpoint in queryset:
            endpoints.delete(endpoint)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Count the deliveries; Django would list them, and there may be very many."""
        count = WebhookDelivery.objects.filter(endpoint__in=[each.pk for each in objs]).count()
        counts = {
            self.opts.verbose_name_plural: len(objs),
            WebhookDelivery._meta.verbose_name_plural: count,
        }
        return [str(each) for each in objs], counts, set(), []

    @method_decorator(csrf_protect)
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        # Outside of a transaction, which would be open while names are resolved.
        view: Any = self._changeform_view  # type: ignore[attr-defined]  # not in the stubs
        return view(request, object_id, form_url, extra_context)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._secret_page(request, obj, _("Endpoint added"))

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002 - as in Django
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        context |= {"show_save_and_continue": False, "show_save_and_add_another": False}
        if obj is not None:
            context |= {"subtitle": None, "title": str(obj), "status": endpoint_status(obj)}
            if request.user.has_perm("tracking.view_webhookdelivery"):
                rows = WebhookDelivery.objects.filter(endpoint=obj)
                site = self.admin_site.name
                context["tables"] = [deliveries_table(request, site, rows, of_event=False)]
        return super().render_change_form(request, context, add, change, form_url, obj)

    def get_urls(self) -> list[Any]:
        act = require_POST(self.admin_site.admin_view(self.act_view))
        name = "tracking_webhookendpoint_act"
        return [path("<path:object_id>/act/", act, name=name), *super().get_urls()]

    def act_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Do what the button of an endpoint's page says."""
        endpoint = self.get_object(request, unquote(object_id))
        if endpoint is None:
            raise Http404
        if not self.has_change_permission(request, endpoint):
            raise PermissionDenied
        act = self._acts.get(request.POST.get("act", ""))
        if act is None:
            raise Http404
        return act(self, request, endpoint) or HttpResponseRedirect(
            reverse(
                f"{self.admin_site.name}:tracking_webhookendpoint_change",
                args=[quote(endpoint.pk)],
            )
        )

    def _test(self, request: HttpRequest, endpoint: WebhookEndpoint) -> None:
        try:
            endpoints.send_test(endpoint)
        except endpoints.EndpointDisabled as error:
            self.message_user(request, error.reasons["endpoint"][0], messages.ERROR)
            return
        self.log_change(request, endpoint, _("Sent a test."))
        text = _("A test is on its way. Reload this page to see its answer.")
        self.message_user(request, text, messages.SUCCESS)

    def _disable(self, request: HttpRequest, endpoint: WebhookEndpoint) -> None:
        endpoints.disable(endpoint)
        self.log_change(request, endpoint, _("Disabled."))
        self.message_user(request, _("Nothing is delivered to this endpoint now."))

    def _enable(self, request: HttpRequest, endpoint: WebhookEndpoint) -> None:
        endpoints.enable(endpoint)
        self.log_change(request, endpoint, _("Enabled."))
        text = _("Events are delivered to this endpoint again.")
        self.message_user(request, text, messages.SUCCESS)

    def _ask_to_rotate(self, request: HttpRequest, endpoint: WebhookEndpoint) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": _("Rotate the secret?"),
            "endpoint": endpoint,
            "version": _version(endpoint),
        }
        request.current_app = self.admin_site.name
        template = "admin/tracking/webhookendpoint/rotate_confirmation.html"
        return TemplateResponse(request, template, context)

    def _rotate(self, request: HttpRequest, endpoint: WebhookEndpoint) -> HttpResponse | None:
        if request.POST.get("version") != _version(endpoint):
            # A page that is loaded again would otherwise end the secret that was just copied.
            text = _("The secret was rotated in the meantime: nothing was changed.")
            self.message_user(request, text, messages.WARNING)
            return None
        endpoints.rotate_secret(endpoint)
        self.log_change(request, endpoint, _("Rotated the secret."))
        return self._secret_page(request, endpoint, _("Secret rotated"))

    _acts: ClassVar[dict[str, Callable[[Any, HttpRequest, Any], HttpResponse | None]]] = {
        "test": _test,
        "disable": _disable,
        "enable": _enable,
        "rotate": _ask_to_rotate,
        "rotate_now": _rotate,
    }

    def _secret_page(
        self, request: HttpRequest, endpoint: WebhookEndpoint, title: str
    ) -> HttpResponse:
        """Show the secret, once only. A message or a redirect would have to store it."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": title,
            "endpoint": endpoint,
        }
        template = "admin/tracking/webhookendpoint/secret.html"
        request.current_app = self.admin_site.name
        return TemplateResponse(request, template, context)


def _version(endpoint: WebhookEndpoint) -> str:
    """Return a text that changes with each rotation."""
    until = endpoint.former_secret_until
    return until.isoformat() if until else ""
