"""Who may publish and who may watch: policies, named by dotted path in the settings.

A policy is `(user, driver_id) -> bool`, a plain function or a coroutine function. The user is
active and authenticated. A plain function may query the database; it runs in a thread.
"""

import inspect
from collections.abc import Awaitable, Callable

from channels.db import database_sync_to_async
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.module_loading import import_string

from tracking.conf import conf

Policy = Callable[[AbstractBaseUser, int], bool | Awaitable[bool]]


async def may_publish(user: AbstractBaseUser, driver_id: int) -> bool:
    """Apply `TRACKING["PUBLISH_POLICY"]`."""
    return await _apply(conf.PUBLISH_POLICY, user, driver_id)


async def may_watch(user: AbstractBaseUser, driver_id: int) -> bool:
    """Apply `TRACKING["WATCH_POLICY"]`."""
    return await _apply(conf.WATCH_POLICY, user, driver_id)


async def _apply(dotted_path: str, user: AbstractBaseUser, driver_id: int) -> bool:
    policy: Policy = import_string(dotted_path)
    if inspect.iscoroutinefunction(policy) or inspect.iscoroutinefunction(type(policy).__call__):
        verdict = policy(user, driver_id)
    else:
        # Not on the thread that Django's own synchronous code shares: a slow policy would stop it.
        verdict = await database_sync_to_async(policy, thread_sensitive=False)(user, driver_id)
    # A decorated coroutine function looks like a plain one, and its coroutine like a yes.
    return bool(await verdict if inspect.isawaitable(verdict) else verdict)


async def own_location(user: AbstractBaseUser, driver_id: int) -> bool:
    """A driver publishes for itself alone. A user model without `role` makes everyone a driver."""
    return user.pk == driver_id and getattr(user, "role", "driver") == "driver"


async def any_authenticated(user: AbstractBaseUser, driver_id: int) -> bool:
    """Whoever is logged in watches whomever they like."""
    return True
