"""The processes that share one port, of which any may be asked for the metrics of all."""

import asyncio
import logging
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from prometheus_client import Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from tracking.monitoring.exposition import exposition
from tracking.runtime import get_runtime, health
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Where each of them has a socket. From the supervisor to its workers, and nobody else's to set.
DIRECTORY: Final = "RIDEHAIL_WORKERS"
# A worker whose event loop hangs must not keep the others' metrics. One whose database hangs
# answers all the same, without its count of drivers, once it gave up on that.
TIMEOUT: Final = health.TIMEOUT + 1.0


@contextmanager
def shared_directory() -> Iterator[None]:
    """Give the processes that are started meanwhile a place to meet."""
    with tempfile.TemporaryDirectory(prefix="ridehail-workers-") as directory:
        os.environ[DIRECTORY] = directory
        yield


async def listen() -> asyncio.AbstractServer | None:
    """Answer the other workers, if there are any."""
    directory = os.environ.get(DIRECTORY)
    if directory is None:
        return None
    return await asyncio.start_unix_server(_answer, Path(directory) / f"{os.getpid()}.sock")


async def all_metrics() -> bytes:
    """Return this process's metrics, or those of all on the port, told apart by `worker`."""
    directory = os.environ.get(DIRECTORY)
    if directory is None:
        return await exposition(get_runtime())
    others = _others(Path(directory))
    # Together: with the database away, each takes as long as it waits for that.
    own, *answers = await asyncio.gather(exposition(get_runtime()), *map(_ask, others))
    texts = {path.stem: text for path, text in zip(others, answers, strict=True) if text}
    # In a thread: the texts of eight workers take up to 67 ms.
    return await asyncio.to_thread(merge, {str(os.getpid()): own, **texts})


def merge(texts: Mapping[str, bytes]) -> bytes:
    """Return the metrics of several workers as one text, each sample labelled with its worker."""
    families: dict[str, Metric] = {}
    for worker, text in texts.items():
        for family in text_string_to_metric_families(text.decode()):
            merged = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            merged.samples += [
                sample._replace(labels={**sample.labels, "worker": worker})
                for sample in family.samples
            ]
    return generate_latest(_Families(families.values()))


class _Families(Collector):
    def __init__(self, families: Collection[Metric]) -> None:
        self._families = families

    def collect(self) -> Collection[Metric]:
        return self._families


def _others(directory: Path) -> list[Path]:
    return [path for path in directory.glob("*.sock") if path.stem != str(os.getpid())]


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        writer.write(await exposition(get_runtime()))
        await writer.drain()
    except ConnectionError:
        pass  # Who asked has given up, and logged that.
    finally:
        writer.close()


async def _ask(path: Path) -> bytes:
    try:
        async with asyncio.timeout(TIMEOUT):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                return await reader.read()
            finally:
                writer.close()
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - in memory; it was killed
    except (OSError, TimeoutError) as error:
        logger.warning("The metrics of another worker are missing: %s", reason(error))
    return b""
