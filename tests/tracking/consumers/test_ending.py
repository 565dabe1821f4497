"""The end of a connection when a step of its clean-up fails."""

import pytest

from tracking.access.session import Session
from tracking.consumers.record import ConnectionRecord
from tracking.pipeline.outbox import Outbox
from tracking.pipeline.presence import Presence
from tracking.runtime import Runtime, get_runtime
from tracking.runtime.connections import Connections
from tracking.runtime.rate_limits import SharedLimits

from ..fakes import within_deadline
from ..sockets import Server, token_for

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = (
    (Session, "close"),
    (Outbox, "abandon"),
    (Connections, "remove"),
    (SharedLimits, "leave"),
    (Runtime, "forget"),
    (Presence, "depart"),
    (ConnectionRecord, "end"),
)


@pytest.mark.parametrize("broken", [name for _, name in STEPS])
async def test_each_step_of_a_drivers_clean_up_runs_although_another_fails(
    app_layer, driver, monkeypatch, broken
):
    made = []

    def watch(owner, name):
        original = getattr(owner, name)

        def step(*args, **kwargs):
            made.append(name)
            if name == broken:
                raise LookupError(f"a bug in {name}")
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, step)

    server = Server("set", driver)
    server.report(token_for(driver))
    await server.client.events.reach(2)  # accepted, acknowledged
    (consumer,) = get_runtime().connections
    consumer.unacknowledged += 1  # so that the clean-up has something to discard
    for owner, name in STEPS:
        watch(owner, name)
    with pytest.raises(LookupError, match=f"a bug in {broken}"):
        await server.end()
    assert made == [name for _, name in STEPS]
    monkeypatch.undo()
    await within_deadline(get_runtime().close())


async def test_connection_whose_address_cannot_be_determined_is_logged_as_ended(
    app_layer, driver, settings, caplog
):
    caplog.set_level("INFO")
    settings.TRACKING = settings.TRACKING | {"CLIENT_ADDRESS": "tracking.access.addresses.missing"}
    server = Server("get", driver)
    with pytest.raises(ImportError):
        await within_deadline(server.task)
    assert "Connection ended" in caplog.messages
    await within_deadline(get_runtime().close())
