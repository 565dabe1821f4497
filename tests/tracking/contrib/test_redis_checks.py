"""Checks of the Redis hosts behind a channel layer, on real servers."""

import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests import services
from tests.services.program import PROJECT
from tracking.checks import check_channel_layer
from tracking.contrib.channels_redis import ChannelLayer
from tracking.contrib.channels_redis.checks import problems
from tracking.throttled_log import reason


def free_port():
    """Return a free port that a cluster could use too: its bus listens 10,000 ports above."""
    while True:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        if port + 10_000 < 2**16:
            return port


@pytest.fixture(scope="module")
def server():
    with services.redis_service() as server:
        yield server


@contextmanager
def running(*arguments, config=""):
    """Run a Redis server with these arguments on a port of its own."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "redis.conf"
        file.write_text(f"port {port}\nbind 127.0.0.1\ndir {folder}\n{config}")
        program = services.find_redis().path
        process = subprocess.Popen([program, file, *arguments], stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 10
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline
            yield port
        finally:
            process.terminate()
            process.wait(10)


def test_a_redis_that_works_has_no_problem(server):
    assert problems([server.url]) == []


def test_a_sentinels_port_is_detected():
    with running("--sentinel") as port:
        (problem,) = problems([f"redis://127.0.0.1:{port}"])
    assert "Sentinel" in problem.text
    assert "master's port" in problem.text
    assert not problem.unreachable


@pytest.mark.parametrize("query", ["", "?protocol=2"])
def test_a_replica_is_detected_as_it_reaches_no_other_worker(query):
    with running() as master, running(config=f"replicaof 127.0.0.1 {master}\n") as port:
        (problem,) = problems([f"redis://127.0.0.1:{port}{query}"])
        assert problems([f"redis://127.0.0.1:{master}{query}"]) == []
    assert "this is a replica" in problem.text
    assert "master's address" in problem.text
    assert not problem.unreachable


def test_a_cluster_is_detected():
    with running(config="cluster-enabled yes\n") as port:
        (problem,) = problems([f"redis://127.0.0.1:{port}"])
    assert "Cluster is not supported" in problem.text
    assert not problem.unreachable


# The minimum in docs/operations.md, and all but what managed services usually forbid.
ENOUGH = ["-@all +select +publish +subscribe +unsubscribe +ping", "+@all -@admin -@dangerous"]


@contextmanager
def user(port, commands, channels="&ridehail-1*"):
    rules = ["on", ">pass-word", "resetchannels", channels, *commands.split()]
    with redis.Redis(port=port) as operator:
        operator.execute_command("ACL", "SETUSER", "worker", "reset", *rules)
        yield f"redis://worker:pass-word@127.0.0.1:{port}/1"


@pytest.mark.parametrize("commands", ENOUGH)
def test_a_user_who_may_not_ask_about_the_server_is_no_problem(commands):
    with running() as port, user(port, commands) as url:
        with redis.Redis.from_url(url) as client, pytest.raises(redis.exceptions.NoPermissionError):
            client.info()
        assert problems([url], "ridehail-1") == []


@pytest.mark.parametrize(
    ("commands", "channels"),
    [
        ("+@all -publish", "&ridehail-1*"),
        ("+@all -subscribe", "&ridehail-1*"),
        ("+@all", "&staging*"),
    ],
)
def test_a_user_who_may_not_publish_and_subscribe_is_detected(commands, channels):
    with running() as port, user(port, commands, channels) as url:
        (problem,) = problems([url], "ridehail-1")
    assert "lacks a permission" in problem.text
    assert "pass-word" not in problem.text
    assert not problem.unreachable


def test_the_documented_user_has_the_least_that_is_enough():
    document = (PROJECT / "docs" / "operations.md").read_text()
    assert f"resetchannels '&ridehail*' {ENOUGH[0]}`" in document


async def test_a_user_with_the_least_that_is_enough_serves_the_channel_layer():
    with running() as port, user(port, ENOUGH[0]) as url:
        layer = ChannelLayer(hosts=[{"address": url}], prefix="ridehail-1")
        channel = await layer.new_channel()
        await layer.group_add("drivers", channel)
        await layer.group_send("drivers", {"type": "fix"})
        assert await layer.receive(channel) == {"type": "fix"}
        await layer.group_discard("drivers", channel)
        await layer.flush()


async def test_a_redis_that_is_demoted_still_carries_what_its_workers_send():
    with running() as master, running() as port:
        layer = ChannelLayer(hosts=[{"address": f"redis://127.0.0.1:{port}"}])
        channel = await layer.new_channel()
        await layer.group_add("drivers", channel)
        with redis.Redis(port=port) as operator:
            operator.replicaof("127.0.0.1", master)
            assert operator.info("replication")["role"] == "slave"
        await layer.group_send("drivers", {"type": "fix"})
        assert await layer.receive(channel) == {"type": "fix"}
        await layer.flush()


@pytest.mark.parametrize("login", ["", ":guess@"])
def test_a_wrong_password_is_detected_and_not_shown(login):
    with running(config="requirepass hunter22\n") as port:
        (problem,) = problems([f"redis://{login}127.0.0.1:{port}"])
        assert problems([f"redis://:hunter22@127.0.0.1:{port}"]) == []
    assert "password" in problem.text
    assert "guess" not in problem.text
    assert not problem.unreachable


def test_a_closed_port_and_tls_to_a_plain_port_are_detected(server):
    plain = server.url.replace("redis://", "rediss://")
    found = problems([f"redis://127.0.0.1:{free_port()}", plain, server.url])
    assert [(problem.text.partition(":")[0], problem.unreachable) for problem in found] == [
        ("Redis host 1 of 3", True),
        ("Redis host 2 of 3", True),
    ]


def test_hosts_may_be_given_in_all_forms_of_channels_redis():
    with running() as port, running("--sentinel") as sentinel:
        with redis.Redis(port=sentinel) as operator:
            operator.execute_command("SENTINEL", "MONITOR", "drivers", "127.0.0.1", port, 1)
        by_sentinel = {"sentinels": [("127.0.0.1", sentinel)], "master_name": "drivers"}
        hosts = [
            f"redis://127.0.0.1:{port}",
            ("127.0.0.1", port),
            {"host": "127.0.0.1", "port": port},
            by_sentinel,
            {**by_sentinel, "master_name": "riders"},
        ]
        (problem,) = problems(hosts)
    assert problem.text.startswith("Redis host 5 of 5: it cannot be used: MasterNotFoundError")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:6379",
        {"address": "redis://127.0.0.1:6379/0", "sokcet_timeout": 2},
        "redis://:hunter22@127.0.0.1:port",
    ],
)
def test_hosts_that_redis_py_cannot_read_are_detected_without_showing_a_password(host):
    (problem,) = problems([host])
    assert "neither a Redis URL nor options" in problem.text
    assert "hunter22" not in problem.text
    assert not problem.unreachable


def channel_layers(url, **config):
    backend = "tracking.contrib.channels_redis.ChannelLayer"
    return {"default": {"BACKEND": backend, "CONFIG": {"hosts": [{"address": url}], **config}}}


def test_the_check_for_deployment_asks_redis(settings, server):
    settings.CHANNEL_LAYERS = channel_layers(f"redis://127.0.0.1:{free_port()}")
    assert [message.id for message in check_channel_layer()] == ["tracking.W010"]
    with running("--sentinel") as port:
        settings.CHANNEL_LAYERS = channel_layers(f"redis://127.0.0.1:{port}")
        assert [message.id for message in check_channel_layer()] == ["tracking.E009"]
    settings.CHANNEL_LAYERS = channel_layers(server.url)
    assert check_channel_layer() == []


def test_the_check_for_deployment_asks_with_the_prefix_of_the_settings(settings):
    with running() as port, user(port, ENOUGH[0]) as url:
        settings.CHANNEL_LAYERS = channel_layers(url, prefix="ridehail-1")
        assert check_channel_layer() == []
        settings.CHANNEL_LAYERS = channel_layers(url, prefix="staging")
        assert [message.id for message in check_channel_layer()] == ["tracking.E009"]


async def test_two_prefixes_on_one_redis_are_separate(server):
    """A different database number does not separate them."""
    base = server.url.rpartition("/")[0] if server.url.count("/") > 2 else server.url
    layers = [
        ChannelLayer(hosts=[{"address": f"{base}/{number}"}], prefix=prefix)
        for number, prefix in ((0, "ridehail"), (1, "ridehail-1"), (2, "ridehail"))
    ]
    channels = []
    for layer in layers:
        channels.append(await layer.new_channel())
        await layer.group_add("drivers", channels[-1])
    await layers[0].group_send("drivers", {"type": "fix", "of": "production"})
    await layers[1].group_send("drivers", {"type": "fix", "of": "staging"})
    received = [await layer.receive(name) for layer, name in zip(layers, channels, strict=True)]
    # Only the prefix separates them.
    assert [event["of"] for event in received] == ["production", "staging", "production"]
    for layer in layers:
        await layer.flush()


def test_the_reason_is_in_the_log_and_not_only_the_kind():
    with pytest.raises(redis.ConnectionError) as raised, redis.Redis(port=free_port()) as client:
        client.ping()
    assert reason(raised.value).startswith("ConnectionError: ")
    assert "refused" in reason(raised.value)
