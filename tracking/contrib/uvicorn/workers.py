"""Worker processes that share one port. Each of them can return the metrics of all."""

import asyncio
import logging
import os
import tempfile
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from prometheus_client import Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# The environment variable by which a supervisor passes the directory of the workers' sockets to
# them. It is not a setting.
DIRECTORY: Final = "TRACKING_WORKERS_DIRECTORY"


@contextmanager
def shared_directory() -> Iterator[None]:
    """Provide a directory for the sockets of the workers that are started inside the block."""
    with tempfile.TemporaryDirectory(prefix="tracking-workers-") as directory:
        os.environ[DIRECTORY] = directory
        try:
            yield
        finally:
            del os.environ[DIRECTORY]


class Workers:
    """This worker process and the others on its port, if there are any."""

    def __init__(self, expose: Callable[[], Awaitable[bytes]], timeout: float) -> None:
        """Store `expose`, which returns this process's metrics in Prometheus' text format.

        `timeout` is the seconds to wait for another worker's metrics. It must be longer than
        `expose` waits for the database; otherwise, while the database hangs, all of them are
        missing.
        """
        self._expose = expose
        self._timeout = timeout
        self._listener: asyncio.AbstractServer | None = None

    async def listen(self) -> None:
        """Start to answer the other workers."""
        if directory := os.environ.get(DIRECTORY):
            path = Path(directory) / f"{os.getpid()}.sock"
            self._listener = await asyncio.start_unix_server(self._answer, path)

    def close(self) -> None:
        """Stop answering the other workers."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def metrics(self) -> bytes:
        """Return this process's metrics, or those of all workers, labelled with `worker`."""
        directory = os.environ.get(DIRECTORY)
        if directory is None:
            return await self._expose()
        others = _others(Path(directory))
        # Concurrently, because while the database is unavailable each waits for its timeout.
        own, *answers = await asyncio.gather(self._expose(), *map(self._ask, others))
        texts = {path.stem: text for path, text in zip(others, answers, strict=True) if text}
        # In a thread, because merging the texts of eight workers takes up to 67 ms.
        return await asyncio.to_thread(merge, {str(os.getpid()): own, **texts})

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(await self._expose())
            await writer.drain()
        except ConnectionError:
            pass  # The other worker has stopped waiting, and has logged that.
        finally:
            writer.close()

    async def _ask(self, path: Path) -> bytes:
        try:
            async with asyncio.timeout(self._timeout):
                reader, writer = await asyncio.open_unix_connection(path)
                try:
                    return await reader.read()
                finally:
                    writer.close()
        except ConnectionRefusedError:
            # That worker was killed.
            path.unlink(missing_ok=True)  # noqa: ASYNC240 - one small directory entry
        except (OSError, TimeoutError) as error:
            logger.warning("Could not get the metrics of another worker: %s", reason(error))
        return b""


def _others(directory: Path) -> list[Path]:
    return [path for path in directory.glob("*.sock") if path.stem != str(os.getpid())]


def merge(texts: Mapping[str, bytes]) -> bytes:
    """Return the metrics of several workers as one text. The label `worker` is added to samples."""
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
