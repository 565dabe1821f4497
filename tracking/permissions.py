"""Who may publish and who may watch: policies, named by dotted path in the settings.

A policy is `(user, driver_id) -> Decision`, a plain function or a coroutine function. The user is
active and authenticated. A plain function may query the database; it runs in a thread.
"""

import inspect
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeAlias

from channels.db import database_sync_to_async
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from django.utils.module_loading import import_string

from tracking.conf import conf
from tracking.models import WatchGrant

# Yes, no, or an aware time: yes until then, exclusively. Whoever streams is asked about again at
# that time, and cut off unless the answer has changed.
Decision: TypeAlias = bool | datetime

Policy = Callable[[AbstractBaseUser, int], Decision | Awaitable[Decision]]


async def may_publish(user: AbstractBaseUser, driver_id: int) -> bool:
    """Apply `TRACKING["PUBLISH_POLICY"]`."""
    return bool(await _apply(conf.PUBLISH_POLICY, user, driver_id))


async def may_watch(user: AbstractBaseUser, driver_id: int) -> Decision:
    """Apply `TRACKING["WATCH_POLICY"]`. A time that it returns lies in the future."""
    return await _apply(conf.WATCH_POLICY, user, driver_id)


def may_view_fleet(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whoever sees the last known locations in the admin sees everybody on the map."""
    return getattr(user, "is_staff", False) and user.has_perm(  # type: ignore[union-attr]
        "tracking.view_driverlocation"
    )


async def may_watch_driver(user: AbstractBaseUser, driver: AbstractBaseUser | None) -> Decision:
    """Apply both policies: who does not exist, or is no driver, may not be watched by anybody."""
    return (
        driver is not None
        and await may_publish(driver, driver.pk)
        and await may_watch(user, driver.pk)
    )


async def _apply(dotted_path: str, user: AbstractBaseUser, driver_id: int) -> Decision:
    policy: Policy = import_string(dotted_path)
    if inspect.iscoroutinefunction(policy) or inspect.iscoroutinefunction(type(policy).__call__):
        answer = policy(user, driver_id)
    else:
        # Not on the thread that Django's own synchronous code shares: a slow policy would stop it.
        answer = await database_sync_to_async(policy, thread_sensitive=False)(user, driver_id)
    if inspect.isawaitable(answer):
        answer = await answer
    if isinstance(answer, datetime):
        return answer if answer > timezone.now() else False
    return bool(answer)


async def own_location(user: AbstractBaseUser, driver_id: int) -> bool:
    """A driver publishes for itself alone. A user model without `role` makes everyone a driver."""
    return user.pk == driver_id and getattr(user, "role", "driver") == "driver"


async def any_authenticated(user: AbstractBaseUser, driver_id: int) -> bool:
    """Whoever is logged in watches whomever they like."""
    return True


async def staff_only(user: AbstractBaseUser, driver_id: int) -> bool:
    """Staff watches everybody, and nobody else watches anybody."""
    return getattr(user, "is_staff", False)


def granted(user: AbstractBaseUser, driver_id: int) -> Decision:
    """Staff watches everybody, a driver itself, and the others until their last live grant ends."""
    if getattr(user, "is_staff", False) or user.pk == driver_id:
        return True
    grants = WatchGrant.objects.filter(watcher=user.pk, driver=driver_id).live(timezone.now())
    return grants.order_by("-ends_at").values_list("ends_at", flat=True).first() or False
