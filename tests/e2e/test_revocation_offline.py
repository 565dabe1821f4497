"""Revocation while Redis is down, so that workers cannot notify each other."""

import time
from contextlib import AsyncExitStack

import pytest

from tests.services import create_users

from .stack import person
from .stubborn import StubbornDriver, StubbornWatcher
from .test_revocation import CASES, OPEN, PASSENGER, REVOKE

AT_LAST = 60.0  # seconds within which a revocation takes effect without Redis
DRIVER, DRIVING = 1900, 2970
CHANGES = {
    2972: CASES["user deactivated"],
    2973: CASES["password changed"],
    2974: CASES["grant ended"],
    DRIVING: CASES["user deactivated"],
}


@pytest.mark.long
async def test_watcher_who_loses_the_permission_while_redis_is_down_is_disconnected_in_a_minute(
    granted_stack, granted_redis
):
    riders = [user_id for user_id in (PASSENGER, *CHANGES) if user_id != DRIVING]
    people = [person(DRIVING), *(person(user_id, "rider") for user_id in riders)]
    tokens = create_users(granted_stack.environment, people)
    await granted_stack.host(OPEN, watchers=riders)
    watchers = {
        user_id: StubbornWatcher(
            lambda token=tokens[user_id]: granted_stack.watcher(DRIVER, token=token)
        )
        for user_id in riders
    }
    driver = StubbornDriver(lambda: granted_stack.driver(DRIVER))
    driving = StubbornDriver(lambda: granted_stack.driver(DRIVING, token=tokens[DRIVING]))
    async with AsyncExitStack() as everybody:
        for each in (driver, driving, *watchers.values()):
            await everybody.enter_async_context(each)
            await each.until(lambda each: len(each.locations) > 3)
        granted_redis.kill()
        try:
            changes = [(str(user_id), user_id, case.change) for user_id, case in CHANGES.items()]
            changed = await granted_stack.host(REVOKE, changes=changes)
            for user_id, case in CHANGES.items():
                each = watchers.get(user_id, driving)
                await each.until(lambda each: each.ends, seconds=AT_LAST)
                assert each.ends[0].time - changed[str(user_id)] < AT_LAST
                assert each.ends[0].answer == (case.error, case.close_code)
        finally:
            granted_redis.start()
        passenger = watchers.pop(PASSENGER)
        over = time.time()
        # Permitted watchers go on, and without delay once Redis is back.
        await passenger.until(
            lambda passenger: sum(moment > over for moment in passenger.locations) > 50, seconds=20
        )
    assert passenger.ends == []
    for each in (driving, *watchers.values()):
        assert each.locations[-1] < over
        assert len(each.ends) > 3
