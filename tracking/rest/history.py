"""Permissions and authentication of the views of the history."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from tracking.people import USER_IDS
from tracking.protocol import Forbidden
from tracking.rest.throttling import TrackThrottle
from tracking.rest.views import BearerAuthentication, PageAuthentication, RestView


def may_use_history(user: AbstractBaseUser | AnonymousUser, action: str) -> bool:
    """Return True if the user is staff and has the permission to `view` or `delete` fixes."""
    return getattr(user, "is_staff", False) and user.has_perm(  # type: ignore[union-attr]
        f"tracking.{action}_historyfix"
    )


class MayViewHistory(BasePermission):
    """Permits staff who may view the history."""

    message, code = Forbidden.message, Forbidden.code

    def has_permission(self, request: Request, view: object) -> bool:
        return may_use_history(request.user, "view")


class MayViewTrack(BasePermission):
    """Permits the driver, and staff who may view the history. Ids without a user are refused."""

    message, code = Forbidden.message, Forbidden.code

    def has_permission(self, request: Request, view: Any) -> bool:
        driver_id = view.kwargs["driver_id"]
        if request.user.pk == driver_id:
            return True
        return may_use_history(request.user, "view") and _exists(driver_id)


class MayEraseTrack(BasePermission):
    """Permits staff who may delete the history. Ids without a user are refused."""

    message, code = Forbidden.message, Forbidden.code

    def has_permission(self, request: Request, view: Any) -> bool:
        return may_use_history(request.user, "delete") and _exists(view.kwargs["driver_id"])


class HistoryView(RestView):
    """Base view, for apps with a token and for pages with a web session."""

    authentication_classes = (BearerAuthentication, PageAuthentication)
    permission_classes: Sequence[type[BasePermission]] = (IsAuthenticated, MayViewHistory)
    throttle_classes: Sequence[type[BaseThrottle]] = (TrackThrottle,)


def _exists(driver_id: Any) -> bool:
    users = get_user_model()._default_manager
    return USER_IDS.is_storable(driver_id) and users.filter(pk=driver_id).exists()
