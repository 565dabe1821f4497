"""Permissions to publish and to watch: policies, named by dotted path in the settings.

A policy is `(user, driver_id) -> Decision`, a plain function or a coroutine function. The user is
active and authenticated. A plain function may query the database; it runs in a thread.
"""

import inspect
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeAlias

from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy

from tracking.conf import conf
from tracking.ids import DriverId
from tracking.models import WatchGrant
from tracking.protocol import NotYet

# From this long before a grant starts, its watcher is refused with `not_yet`, which asks the client
# to try again, instead of `forbidden`. Clients then try again every 20 s.
SOON: Final = timedelta(minutes=15)


# The error for users who are no drivers: see `is_driver`.
NO_DRIVER = gettext_lazy("This user isn't a driver. Choose a driver, or make this user one first.")


class Window(NamedTuple):
    """Permission for fixes recorded at `since` or later, until `until`, exclusively; aware times.

    None means no such bound.
    """

    since: datetime | None = None
    until: datetime | None = None


# True, False, a Window, or an aware time, which permits until then, exclusively. At the end of the
# permission the policy is applied again, and the stream is closed unless it is extended.
Decision: TypeAlias = bool | datetime | Window

Policy = Callable[[AbstractBaseUser, DriverId], Decision | Awaitable[Decision]]


async def may_publish(user: AbstractBaseUser, driver_id: DriverId) -> bool:
    """Return the answer of `TRACKING["PUBLISH_POLICY"]`."""
    return bool(await _apply(conf.PUBLISH_POLICY, user, driver_id))


async def may_watch(user: AbstractBaseUser, driver_id: DriverId) -> Decision:
    """Return the answer of `TRACKING["WATCH_POLICY"]`, or False for a time that has passed."""
    return await _apply(conf.WATCH_POLICY, user, driver_id)


def may_view_fleet(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Return True if the user is staff and may view last known locations, as in the admin."""
    return getattr(user, "is_staff", False) and user.has_perm(  # type: ignore[union-attr]
        "tracking.view_driverlocation"
    )


def may_view_trips(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Return True for staff who may view last known locations and trips, as in the admin."""
    return may_view_fleet(user) and user.has_perm("tracking.view_trip")  # type: ignore[union-attr]


async def may_search_nearby(user: AbstractBaseUser) -> bool:
    """Return True for staff who may view last known locations, and as `NEARBY_POLICY` permits."""
    if await database_sync_to_async(may_view_fleet, thread_sensitive=False)(user):
        return True
    if not conf.NEARBY_POLICY:
        return False
    policy = import_string(conf.NEARBY_POLICY)
    if inspect.iscoroutinefunction(policy):
        return bool(await policy(user))
    answer = await database_sync_to_async(policy, thread_sensitive=False)(user)
    return bool(await answer if inspect.isawaitable(answer) else answer)


async def may_watch_driver(
    user: AbstractBaseUser, driver_id: DriverId, driver: AbstractBaseUser | None
) -> Decision:
    """Apply both policies. Nobody may watch a user who does not exist or is no driver.

    Both are always applied, so that the time of a refusal does not show which of them refused.
    """
    publishes = await may_publish(driver or user, driver_id)
    decision = await may_watch(user, driver_id)
    return decision if driver is not None and publishes else False


def is_driver(user: AbstractBaseUser) -> bool:
    """Return True if the user may publish their own location. For synchronous code."""
    return bool(_apply_here(conf.PUBLISH_POLICY, user, user.pk))


def watches(user: AbstractBaseUser, driver_id: DriverId, driver: AbstractBaseUser | None) -> bool:
    """Return True if `may_watch_driver` permits watching now. For synchronous code."""
    publishes = bool(_apply_here(conf.PUBLISH_POLICY, driver or user, driver_id))
    try:
        decision = _apply_here(conf.WATCH_POLICY, user, driver_id)
    except NotYet:
        return False
    return driver is not None and publishes and bool(decision)


async def _apply(dotted_path: str, user: AbstractBaseUser, driver_id: DriverId) -> Decision:
    policy: Policy = import_string(dotted_path)
    if inspect.iscoroutinefunction(policy) or inspect.iscoroutinefunction(type(policy).__call__):
        answer = policy(user, driver_id)
    else:
        # Not on the shared thread of Django's synchronous code, which a slow policy would block.
        answer = await database_sync_to_async(policy, thread_sensitive=False)(user, driver_id)
    return _as_of_now(await answer if inspect.isawaitable(answer) else answer)


def _apply_here(dotted_path: str, user: AbstractBaseUser, driver_id: DriverId) -> Decision:
    """Apply the policy in this thread, with its database connections and transactions."""
    policy: Policy = import_string(dotted_path)
    answer = policy(user, driver_id)
    return _as_of_now(async_to_sync(_await)(answer) if inspect.isawaitable(answer) else answer)


async def _await(answer: Awaitable[Decision]) -> Decision:
    return await answer


def _as_of_now(answer: Decision) -> Decision:
    """Return the policy's answer, or False if it permits until a time that has passed."""
    if isinstance(answer, Window):
        return answer if answer.until is None or answer.until > timezone.now() else False
    if isinstance(answer, datetime):
        return answer if answer > timezone.now() else False
    return bool(answer)


async def own_location(user: AbstractBaseUser, driver_id: DriverId) -> bool:
    """Permit drivers to publish for themselves. Without a `role` field, every user is a driver."""
    return user.pk == driver_id and getattr(user, "role", "driver") == "driver"


async def any_authenticated(user: AbstractBaseUser, driver_id: DriverId) -> bool:
    """Permit every authenticated user to watch every driver."""
    return True


def staff_only(user: AbstractBaseUser, driver_id: DriverId) -> bool:
    """Permit only staff who may view last known locations."""
    return may_view_fleet(user)


def granted(user: AbstractBaseUser, driver_id: DriverId) -> Decision:
    """Permit staff who may view last known locations, the driver, and watchers with a live grant.

    A grant permits fixes recorded from `TRACKING["GRANT_LEAD_TIME"]` before its start. Several live
    grants permit from the earliest start to the latest end. Raise `NotYet` if none is live and one
    starts within SOON.
    """
    if user.pk == driver_id or may_view_fleet(user):
        return True
    now = timezone.now()
    mine = WatchGrant.objects.filter(watcher=user.pk, ended_at=None)
    grants = mine.filter(driver=driver_id)  # type: ignore[misc]  # the demo's ids are integers
    times = list(grants.filter(ends_at__gt=now).values_list("starts_at", "ends_at"))
    live = [(starts, ends) for starts, ends in times if starts <= now]
    if not live:
        if any(starts <= now + SOON for starts, _ in times):
            raise NotYet
        return False
    lead = timedelta(seconds=conf.GRANT_LEAD_TIME)
    return Window(min(starts for starts, _ in live) - lead, max(ends for _, ends in live))
