"""Limits on connections, and the answers above them."""

import asyncio

import pytest

from tracking.access.addresses import peer_address
from tracking.protocol import OverCapacity, encode_location
from tracking.runtime import get_runtime
from tracking.runtime.connections import Connections

from ..fakes import DEADLINE, settle
from ..sockets import token_for

# Counting


class Peer:
    def __init__(self, address="192.0.2.1"):
        self.address = address
        self.failure = None

    def fail(self, error):
        self.failure = error


@pytest.fixture
def connections(settings):
    settings.TRACKING = settings.TRACKING | {
        "MAX_CONNECTIONS": 5,
        "MAX_UNAUTHENTICATED_PER_ADDRESS": 2,
    }
    return Connections()


def admit(connections, *addresses):
    peers = [Peer(address) for address in addresses]
    for peer in peers:
        connections.admit(peer)
    return peers


def test_a_process_has_a_limited_number_of_connections(connections):
    peers = admit(connections, *"abcde")
    one_too_many = Peer("f")
    with pytest.raises(OverCapacity, match="this server"):
        connections.admit(one_too_many)
    connections.remove(one_too_many)
    connections.remove(peers[0])
    admit(connections, "g")
    assert len(connections) == 5


def test_an_address_has_a_limited_number_of_unauthenticated_connections(connections):
    peers = admit(connections, "a", "a", "b")
    with pytest.raises(OverCapacity, match="authenticate"):
        connections.admit(Peer("a"))
    connections.authenticated(peers[0])
    with pytest.raises(OverCapacity):  # The refused connection still counts.
        connections.admit(Peer("a"))


def test_full_server_makes_room_at_the_cost_of_the_address_with_the_most_strangers(settings):
    settings.TRACKING = settings.TRACKING | {
        "MAX_CONNECTIONS": 20,
        "MAX_UNAUTHENTICATED_PER_ADDRESS": 20,
    }
    connections = Connections()
    attacker = admit(connections, *["a"] * 20)
    connections.authenticated(attacker[0])  # Authenticated connections are never displaced.
    first, second = admit(connections, "b", "b")
    assert [peer.failure is None for peer in attacker] == [True, False, False] + [True] * 17
    assert "others need" in str(attacker[1].failure)
    # No room for the attacker's own address, nor for others while displaced ones are still closing.
    for address in "abc":
        with pytest.raises(OverCapacity, match="this server"):
            connections.admit(Peer(address))
    for peer in attacker[1:3]:
        connections.remove(peer)
    assert first.failure is second.failure is None


def test_addresses_that_have_as_many_strangers_do_not_displace_each_other(connections):
    peers = admit(connections, *"aabbc")
    for address in "ab":
        with pytest.raises(OverCapacity):
            connections.admit(Peer(address))
    assert not any(peer.failure for peer in peers)


def test_connections_that_authenticated_or_left_no_longer_count_for_their_address(connections):
    first, second = admit(connections, "a", "a")
    connections.authenticated(first)
    connections.authenticated(first)
    connections.remove(first)
    connections.remove(second)
    connections.remove(second)
    admit(connections, "a", "a")
    assert len(connections) == 2


def test_without_an_address_the_limit_for_one_does_not_apply(connections):
    admit(connections, *[""] * 5)


def test_nothing_is_kept_of_connections_that_left(connections):
    for peer in admit(connections, *"aabcd"):
        connections.remove(peer)
    assert (len(connections), connections._addresses, connections._strangers) == (0, {}, set())
    assert not connections._displaced


def test_zero_means_no_limit(settings):
    settings.TRACKING = settings.TRACKING | {
        "MAX_CONNECTIONS": 0,
        "MAX_UNAUTHENTICATED_PER_ADDRESS": 0,
    }
    connections = Connections()
    admit(connections, *["a"] * 1000)
    assert len(list(connections)) == 1000


@pytest.mark.parametrize(
    ("scope", "address"),
    [({"client": ("192.0.2.7", 4711)}, "192.0.2.7"), ({"client": None}, ""), ({}, "")],
)
def test_the_address_is_the_clients(scope, address):
    assert peer_address(scope) == address


# Over connections


async def over_capacity(socket):
    return (await socket.error(), await socket.close_code()) == ("over_capacity", 1013)


@pytest.mark.django_db(transaction=True)
async def test_a_user_with_too_many_connections_is_refused(connect, located, rider, settings):
    settings.TRACKING = settings.TRACKING | {"MAX_CONNECTIONS_PER_USER": 2}
    watchers = [await connect("get", located) for _ in range(3)]
    for watcher in watchers:
        await watcher.start(token_for(rider))
    assert [await w.frame() for w in watchers[:2]] == [encode_location(-2.3123, 2.4535)] * 2
    assert await over_capacity(watchers[2])
    # Other users are not affected, and closing one connection makes room for another.
    await watchers[0].disconnect(timeout=DEADLINE)
    again, other = await connect("get", located), await connect("get", located)
    await again.start(token_for(rider))
    await other.start(token_for(located))
    assert await again.frame() == await other.frame() == encode_location(-2.3123, 2.4535)


@pytest.mark.parametrize("limit", ["MAX_CONNECTIONS", "MAX_UNAUTHENTICATED_PER_ADDRESS"])
async def test_beyond_capacity_is_answered_right_after_the_handshake(connect, settings, limit):
    settings.TRACKING = settings.TRACKING | {limit: 2, "CLIENT_ADDRESS": f"{__name__}.same_for_all"}
    first, second = await connect("get", 19), await connect("set", 19)
    assert await over_capacity(await connect("get", 19))
    await settle()
    assert await first.receive_nothing(0.01)
    assert await second.receive_nothing(0.01)


def same_for_all(scope):
    return "192.0.2.1"


async def test_a_connection_that_ends_makes_room(connect, settings):
    settings.TRACKING = settings.TRACKING | {"MAX_CONNECTIONS": 1}
    first = await connect("get", 19)
    await first.disconnect(timeout=DEADLINE)
    second = await connect("get", 19)
    assert await second.receive_nothing(0.01)
    assert len(get_runtime().connections) == 1


@pytest.mark.django_db(transaction=True)
async def test_too_many_messages_are_dropped_and_then_end_the_connection(connect, driver, settings):
    settings.TRACKING = settings.TRACKING | {"MAX_FIXES_PER_SECOND": 0.001, "MAX_FIXES_BURST": 3}
    socket = await connect("set", driver)
    for number in range(3):
        await socket.report(token_for(driver), lat=number)
    frames = {await socket.frame() for _ in range(3)}
    assert frames == {encode_location(float(number), 0.9871) for number in range(3)}
    for _ in range(100):
        await socket.report(token_for(driver), lat=80)
        assert await socket.error() == "rate_limited"
    assert await socket.close_code() == 4429
    await asyncio.sleep(0)
    assert (await get_runtime().hub._load_snapshots([driver]))[driver].latitude == 2


@pytest.mark.django_db(transaction=True)
async def test_a_driver_who_reconnects_gets_no_new_burst(connect, driver, settings):
    limits = {"MAX_FIXES_PER_SECOND": 0.001, "MAX_FIXES_BURST": 3}
    settings.TRACKING = settings.TRACKING | limits
    answers = []
    for _ in range(5):
        socket = await connect("set", driver)
        await socket.report(token_for(driver))
        answers.append("error" in await socket.frame())
        await socket.disconnect(timeout=DEADLINE)
    assert answers == [False] * 3 + [True] * 2
    assert len(get_runtime().limits) == 1


@pytest.mark.django_db(transaction=True)
async def test_a_watcher_who_reconnects_gets_no_new_burst(connect, driver, settings):
    """The first `start` of each connection is free, as many may watch with one account."""
    limits = {"MAX_FIXES_PER_SECOND": 0.001, "MAX_FIXES_BURST": 3}
    settings.TRACKING = settings.TRACKING | limits
    refused = []
    for _ in range(5):
        socket = await connect("get", driver)
        for _ in range(2):
            await socket.start(token_for(driver))
        refused.append(not await socket.receive_nothing(0.05))
        await socket.disconnect(timeout=DEADLINE)
    assert refused == [False] * 3 + [True] * 2
    assert len(get_runtime().limits) == 1
