import asyncio
import os
import socket
import time
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import services
from tracking.contrib.uvicorn import workers
from tracking.contrib.uvicorn.workers import merge
from tracking.runtime import health

TOKEN = "t" * 40
ONE = b"# HELP fixes_total Fixes.\n# TYPE fixes_total counter\nfixes_total 3.0\n"
TWO = (
    b"# HELP fixes_total Fixes.\n# TYPE fixes_total counter\nfixes_total 4.0\n"
    b'# HELP open Open.\n# TYPE open gauge\nopen{route="get"} 2.0\n'
)


def test_workers_are_told_apart_within_one_family():
    families = {
        family.name: [(sample.labels, sample.value) for sample in family.samples]
        for family in text_string_to_metric_families(merge({"1": ONE, "2": TWO}).decode())
    }
    assert families == {
        "fixes": [({"worker": "1"}, 3), ({"worker": "2"}, 4)],
        "open": [({"route": "get", "worker": "2"}, 2)],
    }


def test_each_family_is_described_once():
    assert merge({"1": ONE, "2": TWO}).decode().count("# TYPE fixes_total") == 1


async def test_worker_that_was_killed_is_forgotten(tmp_path, caplog):
    path = tmp_path / "1.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    assert await workers._ask(path) == b""
    assert not path.exists()
    assert not caplog.messages


async def test_worker_that_does_not_answer_in_time_is_left_out(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(workers, "TIMEOUT", 0.01)
    with socket.socket(socket.AF_UNIX) as frozen:
        frozen.bind(str(tmp_path / "1.sock"))
        frozen.listen()
        assert await workers._ask(tmp_path / "1.sock") == b""
    assert "missing" in caplog.text


@pytest.fixture
async def exposed(tmp_path, monkeypatch):
    """Another worker, whose metrics are what is put into the future."""
    text = asyncio.get_running_loop().create_future()
    monkeypatch.setenv(workers.DIRECTORY, str(tmp_path))
    monkeypatch.setattr(workers, "get_runtime", lambda: None)
    monkeypatch.setattr(workers, "exposition", lambda runtime: asyncio.shield(text))
    async with await workers.listen():
        (tmp_path / f"{os.getpid()}.sock").rename(tmp_path / "1.sock")
        yield text


async def test_worker_whose_database_hangs_has_metrics_all_the_same(exposed):
    """As after `health.TIMEOUT`, when both have waited for the count of drivers in vain."""
    asking = asyncio.create_task(workers.all_metrics())
    done, _ = await asyncio.wait([asking], timeout=health.TIMEOUT)
    assert not done
    exposed.set_result(ONE)
    merged = (await asking).decode()
    assert 'worker="1"' in merged
    assert f'worker="{os.getpid()}"' in merged


async def test_worker_that_nobody_waits_for_any_more_says_nothing(exposed, tmp_path, caplog):
    _, writer = await asyncio.open_unix_connection(tmp_path / "1.sock")
    # It hears of that when it has written more than the kernel keeps.
    writer.transport.abort()
    await asyncio.sleep(0)
    exposed.set_result(b"x" * 2**22)
    await asyncio.sleep(0.1)
    assert caplog.messages == []


class TwoWorkers(services.Uvicorn):
    def command(self):
        return [*super().command(), "--workers", "2"]


def metrics_of(server):
    request = urllib.request.Request(
        f"{server.http_url}/metrics/", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {
            sample.labels["worker"]
            for family in families
            for sample in family.samples
            if sample.name == "tracking_draining"
        }


def test_any_worker_tells_of_all_on_its_port():
    with services.sqlite() as database_url, services.redis_service() as redis:
        environment = services.environment(database_url, redis.url, TRACKING_METRICS_TOKEN=TOKEN)
        services.manage(environment, "migrate", "--no-input")
        with TwoWorkers(environment) as server:
            deadline = time.monotonic() + 20
            while len(first := metrics_of(server)) < 2:
                assert time.monotonic() < deadline, first
            assert all(metrics_of(server) == first for _ in range(5))
            assert str(os.getpid()) not in first
