"""The OpenAPI description of webhooks."""

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from drf_spectacular.utils import extend_schema_view as describe

from tracking.openapi.parts import page_parameters, responses
from tracking.rest.grants import NewestFirst
from tracking.rest.webhooks import (
    ChangeWebhookInput,
    CreateWebhookInput,
    DeliveryListInput,
    DeliveryOutput,
    NewSecretOutput,
    WebhookOutput,
    WebhookViewSet,
)

for component, serializer in (
    ("CreateWebhook", CreateWebhookInput),
    ("ChangeWebhook", ChangeWebhookInput),
    ("Webhook", WebhookOutput),
    ("WebhookWithSecret", NewSecretOutput),
    ("WebhookDelivery", DeliveryOutput),
):
    extend_schema_serializer(component_name=component)(serializer)

describe(
    list=extend_schema(
        operation_id="list_webhooks",
        summary="List webhook endpoints, the newest first",
        parameters=page_parameters(NewestFirst),
        responses=responses({200: WebhookOutput(many=True)}, 404),
    ),
    create=extend_schema(
        operation_id="create_webhook",
        summary="Add a webhook endpoint",
        description="The answer has the secret that signs its deliveries, which is never shown"
        " again.",
        request=CreateWebhookInput,
        responses=responses({201: NewSecretOutput}, 400, 415),
    ),
    retrieve=extend_schema(
        operation_id="get_webhook",
        summary="Get a webhook endpoint",
        responses=responses({200: WebhookOutput}, 404),
    ),
    partial_update=extend_schema(
        operation_id="change_webhook",
        summary="Change a webhook endpoint",
        request=ChangeWebhookInput,
        responses=responses({200: WebhookOutput}, 400, 404, 415),
    ),
    destroy=extend_schema(
        operation_id="delete_webhook",
        summary="Delete a webhook endpoint with its deliveries",
        responses=responses({204: None}, 404),
    ),
    rotate=extend_schema(
        operation_id="rotate_webhook_secret",
        summary="Give a webhook endpoint a new secret",
        description="The answer has the new secret, which is never shown again. For 24 hours,"
        " deliveries are signed with both.",
        request=None,
        responses=responses({200: NewSecretOutput}, 404),
    ),
    test=extend_schema(
        operation_id="test_webhook",
        summary="Deliver an event of the type webhook.test",
        request=None,
        responses=responses({201: DeliveryOutput}, 404, 409),
    ),
    enable=extend_schema(
        operation_id="enable_webhook",
        summary="Deliver to a webhook endpoint again",
        request=None,
        responses=responses({200: WebhookOutput}, 404),
    ),
    disable=extend_schema(
        operation_id="disable_webhook",
        summary="Deliver nothing to a webhook endpoint",
        request=None,
        responses=responses({200: WebhookOutput}, 404),
    ),
    deliveries=extend_schema(
        operation_id="list_webhook_deliveries",
        summary="List the deliveries to a webhook endpoint, the newest first",
        parameters=[DeliveryListInput, *page_parameters(NewestFirst)],
        responses=responses({200: DeliveryOutput(many=True)}, 400, 404),
    ),
    redeliver=extend_schema(
        operation_id="redeliver_webhook",
        summary="Deliver an event to a webhook endpoint again",
        description="With the same webhook-id, so that a receiver knows that it has it already.",
        parameters=[OpenApiParameter("delivery_id", int, OpenApiParameter.PATH)],
        request=None,
        responses=responses({200: DeliveryOutput}, 404, 409),
    ),
)(extend_schema(tags=["webhooks"])(WebhookViewSet))
