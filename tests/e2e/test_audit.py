"""The audit trail of two workers."""

import time

from tests.services import create_users

from .http import call
from .stack import person

STAFF = 2970

READ = """
from tracking.models import LocationAccess
result = sorted(LocationAccess.objects.filter(driver_id=driver_id).values_list("viewer", "way"))
"""
FLEET = """
from tracking.models import LocationAccess
result = sorted(set(LocationAccess.objects.filter(driver_id=None).values_list("viewer", "way")))
"""
AT_ONCE = 2.0  # seconds until the question is asked, whose process takes as long to start


async def test_streams_and_calls_are_recorded_with_their_viewer(cluster_stack):
    stack = cluster_stack
    driver_id = stack.new_driver()
    people = [person(STAFF, "dispatcher", is_staff=True, is_superuser=True)]
    staff = create_users(stack.environment, people)[STAFF]
    async with stack.driver(driver_id) as driver, stack.watcher(driver_id, token=staff) as watcher:
        await driver.send(1, 2)
        await watcher.start()
        await watcher.frame(0)
        answer = await call(
            stack.watcher_server.port, "GET", f"/driver/{driver_id}/location/", staff
        )
        assert answer.status == 200
        assert (
            await call(stack.driver_server.port, "GET", "/driver/locations/", staff)
        ).status == 200
        began = asked_at = time.monotonic()
        while len(found := await stack.host(READ, driver_id=driver_id)) < 2:
            assert asked_at < began + AT_ONCE, "the rows came late"
            asked_at = time.monotonic()
    assert found == [[STAFF, "rest"], [STAFF, "stream"]]
    assert [STAFF, "list"] in await stack.host(FLEET)
