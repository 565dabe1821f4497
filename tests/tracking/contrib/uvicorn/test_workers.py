import asyncio
import os
import socket
import time
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import services
from tracking.contrib.uvicorn.workers import DIRECTORY, Workers, merge
from tracking.runtime import health
from tracking.serving.wrap import METRICS_TIMEOUT

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


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setenv(DIRECTORY, str(tmp_path))
    return tmp_path


async def one():
    return ONE


def told_apart(merged):
    """Return the names of the workers that the metrics show."""
    families = text_string_to_metric_families(merged.decode())
    return {sample.labels["worker"] for family in families for sample in family.samples}


async def test_worker_that_was_killed_is_left_out(directory, caplog):
    path = directory / "1.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    assert told_apart(await Workers(one, timeout=10).metrics()) == {str(os.getpid())}
    assert not path.exists()
    assert not caplog.messages


async def test_worker_that_does_not_answer_in_time_is_left_out(directory, caplog):
    with socket.socket(socket.AF_UNIX) as frozen:
        frozen.bind(str(directory / "1.sock"))
        frozen.listen()
        assert told_apart(await Workers(one, timeout=0.01).metrics()) == {str(os.getpid())}
    assert "Could not get the metrics" in caplog.text


async def test_process_without_others_gives_its_own_metrics_as_they_are():
    workers = Workers(one, timeout=10)
    await workers.listen()
    assert await workers.metrics() == ONE
    workers.close()


@pytest.fixture
async def exposed(directory):
    """Yield two workers, and the future of the text that both expose."""
    text = asyncio.get_running_loop().create_future()
    workers = Workers(lambda: asyncio.shield(text), METRICS_TIMEOUT)
    await workers.listen()
    (directory / f"{os.getpid()}.sock").rename(directory / "1.sock")
    yield workers, text
    workers.close()


async def test_worker_whose_database_hangs_has_metrics_all_the_same(exposed):
    """A hanging database delays the metrics by `health.TIMEOUT`, but does not remove them."""
    workers, text = exposed
    asking = asyncio.create_task(workers.metrics())
    done, _ = await asyncio.wait([asking], timeout=health.TIMEOUT)
    assert not done
    text.set_result(ONE)
    merged = (await asking).decode()
    assert 'worker="1"' in merged
    assert f'worker="{os.getpid()}"' in merged


async def test_worker_whose_caller_hung_up_logs_nothing(exposed, directory, caplog):
    _, text = exposed
    _, writer = await asyncio.open_unix_connection(directory / "1.sock")
    # The worker notices only when it has written more than the kernel's buffer holds.
    writer.transport.abort()
    await asyncio.sleep(0)
    text.set_result(b"x" * 2**22)
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


def test_any_worker_gives_the_metrics_of_all_on_its_port():
    with services.sqlite() as database_url, services.redis_service() as redis:
        environment = services.environment(database_url, redis.url, TRACKING_METRICS_TOKEN=TOKEN)
        services.migrate(environment)
        with TwoWorkers(environment) as server:
            deadline = time.monotonic() + 20
            while len(first := metrics_of(server)) < 2:
                assert time.monotonic() < deadline, first
            assert all(metrics_of(server) == first for _ in range(5))
            assert str(os.getpid()) not in first
