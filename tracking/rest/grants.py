"""Watch grants over HTTP, for staff and for dispatch systems that are not written in Python."""

from collections.abc import Callable
from typing import Any

from django.utils import timezone
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import BasePermission, IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response

from tracking.grants import InvalidGrant, end_grant, open_grant, reschedule_grant
from tracking.ids import MAX_ID
from tracking.models import WatchGrant, WatchGrantQuerySet
from tracking.rest.fields import user_id_field
from tracking.rest.inputs import AwareDateTimeField, Input, read
from tracking.rest.parsers import SafeJSONParser
from tracking.rest.problems import problem_response
from tracking.rest.throttling import GrantThrottle
from tracking.rest.views import BearerAuthentication, PageAuthentication, RestView


class OpenInput(Input):
    driver = user_id_field(min_value=1)
    watcher = user_id_field(min_value=1)
    starts_at = AwareDateTimeField(required=False, allow_null=True)
    ends_at = AwareDateTimeField()
    reference = serializers.CharField(required=False, allow_blank=True)


class RescheduleInput(Input):
    ends_at = AwareDateTimeField()


class ListInput(serializers.Serializer[Any]):
    driver = user_id_field(required=False, max_value=MAX_ID)
    watcher = user_id_field(required=False, max_value=MAX_ID)
    live = serializers.BooleanField(required=False)


class GrantOutput(serializers.ModelSerializer[WatchGrant]):
    """A grant with its users' ids, its times in UTC, and its current state."""

    starts_at = AwareDateTimeField()
    ends_at = AwareDateTimeField()
    ended_at = AwareDateTimeField()
    state = serializers.SerializerMethodField()

    class Meta:
        model = WatchGrant
        fields = (
            "id",
            "driver",
            "watcher",
            "starts_at",
            "ends_at",
            "ended_at",
            "reference",
            "state",
            "opened_by",
            "changed_by",
            "ended_by",
        )

    def get_state(self, grant: WatchGrant) -> str:
        return grant.state_at(timezone.now()).value


class NewestFirst(CursorPagination):
    """Pages whose cost does not grow with the number of grants."""

    ordering = "-id"
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1_000


class GrantPermissions(BasePermission):
    """The model permissions that the admin requires. Ending a grant requires `change`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        wanted = {"list": "view", "retrieve": "view", "create": "add"}.get(view.action, "change")
        return request.user.has_perm(f"tracking.{wanted}_watchgrant")


class GrantViewSet(
    RestView,
    mixins.RetrieveModelMixin,
    mixins.ListModelMixin,
    viewsets.GenericViewSet[WatchGrant],
):
    """List, open, show, reschedule and end grants. DELETE ends a grant too: none is ever deleted.

    Errors are problem details with the additional member `error` of older releases, which is
    deprecated and kept for one release.
    """

    authentication_classes = (BearerAuthentication, PageAuthentication)
    permission_classes = (IsAdminUser, GrantPermissions)
    throttle_classes = (GrantThrottle,)
    parser_classes = (SafeJSONParser,)
    pagination_class = NewestFirst
    serializer_class = GrantOutput
    queryset = WatchGrant.objects.all()

    def get_exception_handler(self) -> Callable[[Exception, Any], Response | None]:
        return _problem_with_error

    def filter_queryset(self, queryset: Any) -> Any:
        if self.action != "list":
            return queryset
        # As a plain dict: in a QueryDict, as in an HTML form, a missing boolean would mean false.
        asked = ListInput(data=self.request.query_params.dict())
        asked.is_valid(raise_exception=True)
        return _filtered(queryset, **asked.validated_data)

    def create(self, request: Request) -> Response:
        grant = _valid(open_grant, **read(OpenInput, request), by=request.user.pk)
        return Response(self.get_serializer(grant).data, status=201)

    def partial_update(self, request: Request, pk: str) -> Response:
        grant = self.get_object()
        _valid(reschedule_grant, grant, **read(RescheduleInput, request), by=request.user.pk)
        return Response(self.get_serializer(grant).data)

    @action(detail=True, methods=["post"])
    def end(self, request: Request, pk: str) -> Response:
        grant = self.get_object()
        end_grant(grant, by=request.user.pk)
        return Response(self.get_serializer(grant).data)

    def destroy(self, request: Request, pk: str) -> Response:
        end_grant(self.get_object(), by=request.user.pk)
        return Response(status=204)


def _filtered(
    grants: WatchGrantQuerySet, *, live: bool | None = None, **users: Any
) -> WatchGrantQuerySet:
    grants = grants.filter(**users)
    if live is None:
        return grants
    now_live = grants.live(timezone.now())
    return now_live if live else grants.exclude(pk__in=now_live)


def _valid(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    try:
        return function(*args, **kwargs)
    except InvalidGrant as error:
        raise serializers.ValidationError(error.reasons) from error


def _problem_with_error(error: Exception, context: Any) -> Response | None:
    """Add the deprecated `error` to the problem details: `{"code", "message", "fields"?}`."""
    response = problem_response(error, context)
    if response is not None:
        deprecated = {"code": response.data["code"], "message": response.data["detail"]}
        if isinstance(error, serializers.ValidationError):
            deprecated["fields"] = error.detail
        response.data["error"] = deprecated
    return response
