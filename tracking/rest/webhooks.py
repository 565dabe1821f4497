"""Webhook endpoints and their deliveries over HTTP, for staff."""

from collections.abc import Callable
from typing import Any, Final

from django.db.models import QuerySet
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.generics import get_object_or_404
from rest_framework.permissions import BasePermission, IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response

from tracking.models import WebhookDelivery, WebhookEndpoint
from tracking.rest.fields import NameField
from tracking.rest.grants import NewestFirst
from tracking.rest.inputs import AwareDateTimeField, Input, read
from tracking.rest.parsers import SafeJSONParser
from tracking.rest.problems import Conflict
from tracking.rest.throttling import WebhookThrottle
from tracking.rest.views import BearerAuthentication, PageAuthentication, RestView
from tracking.webhooks import endpoints

# The model permission for each action; for all others `change_webhookendpoint`.
_PERMISSIONS: Final = {
    "list": "view_webhookendpoint",
    "retrieve": "view_webhookendpoint",
    "create": "add_webhookendpoint",
    "destroy": "delete_webhookendpoint",
    "deliveries": "view_webhookdelivery",
    "redeliver": "change_webhookdelivery",
}

# Without labels, so that OpenAPI has one name for them.
TYPES: Final = [kind.value for kind in endpoints.CHOICES]
STATUSES: Final = list(WebhookDelivery.Status.values)
REASONS: Final = list(WebhookEndpoint.DisabledReason.values)


class CreateWebhookInput(Input):
    url = serializers.CharField(max_length=endpoints.MAX_URL)
    events = serializers.ListField(child=NameField(TYPES), allow_empty=False)
    description = serializers.CharField(
        max_length=endpoints.MAX_DESCRIPTION, required=False, allow_blank=True
    )


class ChangeWebhookInput(CreateWebhookInput):
    """The members that are left out stay as they are."""

    url = serializers.CharField(max_length=endpoints.MAX_URL, required=False)
    events = serializers.ListField(child=NameField(TYPES), allow_empty=False, required=False)


class DeliveryListInput(serializers.Serializer[Any]):
    status = NameField(STATUSES, required=False)


class WebhookOutput(serializers.ModelSerializer[WebhookEndpoint]):
    """An endpoint, without its secret. While it is disabled, nothing is delivered to it."""

    events = serializers.ListField(child=NameField(TYPES), read_only=True)
    disabled_reason = NameField(REASONS, read_only=True, allow_blank=True)
    created_at = AwareDateTimeField(read_only=True)
    disabled_at = AwareDateTimeField(read_only=True, allow_null=True)
    failing_since = AwareDateTimeField(read_only=True, allow_null=True)
    former_secret_until = AwareDateTimeField(read_only=True, allow_null=True)

    class Meta:
        model = WebhookEndpoint
        fields = (
            "id",
            "url",
            "description",
            "events",
            "created_at",
            "created_by",
            "disabled_at",
            "disabled_reason",
            "failing_since",
            "former_secret_until",
        )


class NewSecretOutput(WebhookOutput):
    """An endpoint with its secret, which no other answer has."""

    secret = serializers.CharField(read_only=True)

    class Meta:
        model = WebhookEndpoint
        fields = (*WebhookOutput.Meta.fields, "secret")


class DeliveryOutput(serializers.ModelSerializer[WebhookDelivery]):
    """A delivery. `event` is its webhook-id; `duration` is in seconds."""

    type = serializers.CharField(source="event.type", read_only=True)
    status = NameField(STATUSES, read_only=True)
    created_at = AwareDateTimeField(read_only=True)
    next_attempt_at = AwareDateTimeField(read_only=True, allow_null=True)
    last_attempt_at = AwareDateTimeField(read_only=True, allow_null=True)

    class Meta:
        model = WebhookDelivery
        fields = (
            "id",
            "event",
            "type",
            "status",
            "attempts",
            "created_at",
            "next_attempt_at",
            "last_attempt_at",
            "status_code",
            "duration",
            "answer",
        )


class WebhookPermissions(BasePermission):
    """The model permissions that the admin requires."""

    def has_permission(self, request: Request, view: Any) -> bool:
        wanted = _PERMISSIONS.get(view.action, "change_webhookendpoint")
        return request.user.has_perm(f"tracking.{wanted}")


class WebhookViewSet(
    RestView,
    mixins.RetrieveModelMixin,
    mixins.ListModelMixin,
    viewsets.GenericViewSet[WebhookEndpoint],
):
    """List, add, show, change and delete endpoints; see deliveries, and deliver again."""

    authentication_classes = (BearerAuthentication, PageAuthentication)
    permission_classes = (IsAdminUser, WebhookPermissions)
    throttle_classes = (WebhookThrottle,)
    parser_classes = (SafeJSONParser,)
    pagination_class = NewestFirst
    serializer_class = WebhookOutput
    queryset = WebhookEndpoint.objects.all()

    def create(self, request: Request) -> Response:
        endpoint, _secret = _valid(
            endpoints.create, **read(CreateWebhookInput, request), by=request.user.pk
        )
        return Response(NewSecretOutput(endpoint).data, status=201)

    def partial_update(self, request: Request, pk: str) -> Response:
        endpoint = self.get_object()
        return self._answer(_valid(endpoints.change, endpoint, **read(ChangeWebhookInput, request)))

    def destroy(self, request: Request, pk: str) -> Response:
        endpoints.delete(self.get_object())
        return Response(status=204)

    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: str) -> Response:
        endpoint = self.get_object()
        _valid(endpoints.rotate_secret, endpoint)
        return Response(NewSecretOutput(endpoint).data)

    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: str) -> Response:
        return self._answer(_valid(endpoints.enable, self.get_object()))

    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: str) -> Response:
        return self._answer(_valid(endpoints.disable, self.get_object()))

    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        delivery = _valid(endpoints.send_test, self.get_object())
        return Response(DeliveryOutput(delivery).data, status=201)

    @action(detail=True)
    def deliveries(self, request: Request, pk: str) -> Response:
        asked = DeliveryListInput(data=request.query_params)
        asked.is_valid(raise_exception=True)
        found: Any = self._deliveries().filter(**asked.validated_data)
        page: Any = self.paginate_queryset(found)
        return self.get_paginated_response(DeliveryOutput(page, many=True).data)

    @action(detail=True, methods=["post"], url_path="deliveries/<int:delivery_id>/redeliver")
    def redeliver(self, request: Request, pk: str, delivery_id: int) -> Response:
        delivery = get_object_or_404(self._deliveries(), pk=delivery_id)
        return Response(DeliveryOutput(_valid(endpoints.redeliver, delivery)).data)

    def _deliveries(self) -> QuerySet[WebhookDelivery]:
        # Without the bodies of events, of which only the type is shown.
        of_endpoint = WebhookDelivery.objects.filter(endpoint=self.get_object())
        return of_endpoint.select_related("event").defer("event__data")

    def _answer(self, endpoint: WebhookEndpoint) -> Response:
        return Response(WebhookOutput(endpoint).data)


def _valid(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return the result; convert the errors of endpoints to those of REST framework."""
    try:
        return function(*args, **kwargs)
    except endpoints.EndpointDisabled as error:
        (text,) = error.reasons["endpoint"]
        raise Conflict(text, code="endpoint_disabled") from error
    except endpoints.InvalidEndpoint as error:
        raise serializers.ValidationError(error.reasons) from error
    except (WebhookEndpoint.DoesNotExist, WebhookDelivery.DoesNotExist) as error:
        raise NotFound from error  # deleted meanwhile
