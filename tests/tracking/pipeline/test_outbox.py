import asyncio

import pytest

from tracking.pipeline.outbox import Outbox

from ..fakes import Client, Log, settle, within_deadline


def frame(text):
    return {"type": "websocket.send", "text": text}


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def failures():
    return Log()


@pytest.fixture
async def outbox(client, failures):
    outbox = Outbox(client, failures.append)
    yield outbox
    outbox.abandon()
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def others():
    return asyncio.all_tasks() - {asyncio.current_task()}


@pytest.mark.parametrize("way", ["put", "offer"])
async def test_a_send_that_does_not_block_is_done_within_the_call_and_makes_no_task(
    outbox, client, way
):
    for text in "abc":
        getattr(outbox, way)(frame(text))
    assert client.texts == ["a", "b", "c"]
    assert not others()


async def test_a_send_that_blocks_makes_one_task_and_the_call_returns(outbox, client):
    client.stop_reading()
    for text in "abc":
        outbox.put(frame(text))
    assert len(others()) == 1
    assert client.texts == []


async def test_what_was_put_while_the_client_does_not_read_arrives_in_order(outbox, client):
    client.stop_reading()
    for text in "abc":
        outbox.put(frame(text))
    assert len(outbox) == 2
    client.read_on()
    await client.events.reach(3)
    assert client.texts == ["a", "b", "c"]


async def test_of_what_was_offered_while_the_client_does_not_read_only_the_newest_arrives(
    outbox, client
):
    client.stop_reading()
    for text in "abcdef":
        outbox.offer(frame(text))
    client.read_on()
    await client.events.reach(2)
    await settle()
    assert client.texts == ["a", "f"]


async def test_after_a_pause_sends_are_direct_again(outbox, client):
    client.stop_reading()
    outbox.offer(frame("a"))
    client.read_on()
    await client.events.reach(1)
    await settle()
    assert not others()
    outbox.offer(frame("b"))
    assert client.texts == ["a", "b"]


async def test_a_client_that_blocks_again_and_again_misses_only_what_is_not_newest(outbox, client):
    for turn in range(3):
        client.stop_reading()
        for number in range(10):
            outbox.offer(frame((turn, number)))
        client.read_on()
        await client.events.reach(2 * (turn + 1))
        await settle()
    assert client.texts == [(turn, number) for turn in range(3) for number in (0, 9)]


@pytest.mark.parametrize("suspensions", [1, 2, 7])
async def test_a_send_may_suspend_several_times(failures, suspensions):
    client = Client(suspensions=suspensions)
    outbox = Outbox(client, failures.append)
    for text in "abc":
        outbox.put(frame(text))
    await client.events.reach(3)
    await settle()
    assert client.texts == ["a", "b", "c"]
    assert (failures, others()) == ([], set())


async def test_a_send_may_await_a_task_of_its_own(failures):
    sent = Log()

    async def send(event):
        await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))
        sent.append(event["text"])

    outbox = Outbox(send, failures.append)
    outbox.put(frame("a"))
    outbox.put(frame("b"))
    assert await sent.reach(2) == ["a", "b"]
    assert failures == []


# A client that has disconnected


@pytest.mark.parametrize(
    "error", [OSError("disconnected"), ConnectionResetError(), BrokenPipeError()]
)
async def test_a_disconnected_client_never_raises_into_the_caller(outbox, client, failures, error):
    client.error = error
    outbox.put(frame("a"))
    outbox.offer(frame("b"))
    client.error = None
    outbox.put(frame("c"))
    assert (client.events, failures) == ([], [])
    assert outbox.closed


async def test_a_client_that_disconnects_while_it_does_not_read_ends_the_outbox(
    outbox, client, failures
):
    client.stop_reading()
    outbox.put(frame("a"))
    outbox.put(frame("b"))
    client.error = OSError("disconnected")
    client.read_on()
    await settle()
    assert (client.events, failures, others()) == ([], [], set())
    assert outbox.closed


@pytest.mark.parametrize("blocking", [False, True])
async def test_any_other_error_of_the_server_is_reported_once(outbox, client, failures, blocking):
    if blocking:
        client.stop_reading()
        outbox.put(frame("a"))
    client.error = RuntimeError("a bug of the server's")
    client.read_on()
    outbox.put(frame("b"))
    outbox.put(frame("c"))
    await failures.reach(1)
    await settle()
    assert failures == [client.error]


async def test_a_client_that_does_not_read_for_too_long_is_reported(
    outbox, client, failures, settings
):
    settings.TRACKING = {"SEND_TIMEOUT": 0.01}
    client.stop_reading()
    outbox.put(frame("a"))
    (failure,) = await failures.reach(1)
    assert isinstance(failure, TimeoutError)
    assert client.cancelled
    assert outbox.closed


async def test_a_client_that_stalls_on_a_later_frame_is_reported(
    outbox, client, failures, settings
):
    settings.TRACKING = {"SEND_TIMEOUT": 0.05}
    client.stop_reading()
    outbox.put(frame("a"))
    outbox.put(frame("b"))
    client.read_on()
    await client.blocked.reach(1)
    await asyncio.sleep(0)
    client.stop_reading()
    outbox.put(frame("c"))
    (failure,) = await failures.reach(1)
    assert isinstance(failure, TimeoutError)


# The end


async def test_closing_sends_the_last_frame_and_the_close_frame(outbox, client):
    outbox.close(4401, frame("bye"))
    assert client.events == [frame("bye"), {"type": "websocket.close", "code": 4401}]


async def test_closing_twice_sends_one_close_frame(outbox, client):
    outbox.close(4401)
    outbox.close(4403, frame("bye"))
    assert client.texts == [4401]


async def test_a_closed_outbox_takes_nothing_more(outbox, client):
    outbox.close(4401)
    outbox.put(frame("a"))
    outbox.offer(frame("b"))
    assert client.texts == [4401]


async def test_closing_while_the_client_does_not_read_sends_what_was_put_before(outbox, client):
    client.stop_reading()
    for text in "ab":
        outbox.put(frame(text))
    outbox.offer(frame("a location"))
    outbox.close(4401, frame("bye"))
    client.read_on()
    await client.events.reach(4)
    assert client.texts == ["a", "b", "bye", 4401]


@pytest.mark.parametrize("way", ["put", "offer"])
async def test_nothing_follows_the_close_frame_that_waits_for_the_client(outbox, client, way):
    client.stop_reading()
    outbox.put(frame("a"))
    outbox.close(4401, frame("bye"))
    getattr(outbox, way)(frame("too late"))
    client.read_on()
    await client.events.reach(3)
    await settle()
    assert client.texts == ["a", "bye", 4401]


async def test_abandoning_cancels_the_send_under_way_and_drops_what_waits(outbox, client, failures):
    client.stop_reading()
    for text in "abc":
        outbox.put(frame(text))
    await settle()
    outbox.abandon()
    await settle()
    client.read_on()
    await settle()
    assert client.cancelled
    assert (client.events, failures, len(outbox)) == ([], [], 0)


@pytest.mark.parametrize("started", [True, False])
async def test_an_abandoned_outbox_takes_nothing_more(outbox, client, started):
    client.stop_reading()
    outbox.put(frame("a"))
    if started:
        await settle()
    outbox.abandon()
    outbox.put(frame("b"))
    await settle()
    outbox.put(frame("c"))
    outbox.offer(frame("d"))
    assert len(outbox) == 0
    client.read_on()
    await settle()
    assert client.events == []


async def test_abandoning_an_idle_outbox_is_harmless(outbox, client):
    outbox.abandon()
    outbox.abandon()
    outbox.put(frame("a"))
    assert client.events == []


async def test_a_send_outlives_the_task_that_began_it(outbox, client):
    client.stop_reading()

    async def publish():
        outbox.offer(frame("a"))

    await within_deadline(asyncio.create_task(publish()))
    client.read_on()
    await client.events.reach(1)
    assert client.texts == ["a"]
