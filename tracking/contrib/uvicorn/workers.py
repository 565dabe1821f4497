"""The processes that share one port, of which any can give the metrics of all."""

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

# The environment variable by which a supervisor tells its workers where their sockets are. It is
# not a setting.
DIRECTORY: Final = "TRACKING_WORKERS_DIRECTORY"


@contextmanager
def shared_directory() -> Iterator[None]:
    """Give the workers that are started meanwhile a directory for their sockets."""
    with tempfile.TemporaryDirectory(prefix="tracking-workers-") as directory:
        os.environ[DIRECTORY] = directory
        try:
            yield
        finally:
            del os.environ[DIRECTORY]


class Workers:
    """This process, and the other workers on its port, if there are any."""

    def __init__(self, expose: Callable[[], Awaitable[bytes]], timeout: float) -> None:
        """Take what returns this process's metrics, in Prometheus' text format.

        `timeout` is how many seconds another worker's may take. Give more than `expose` waits for
        a database that hangs, or the metrics of a worker whose database hangs are missing.
        """
        self._expose = expose
        self._timeout = timeout
        self._listener: asyncio.AbstractServer | None = None

    async def listen(self) -> None:
        """Answer the other workers from now on."""
        if directory := os.environ.get(DIRECTORY):
            path = Path(directory) / f"{os.getpid()}.sock"
            self._listener = await asyncio.start_unix_server(self._answer, path)

    def close(self) -> None:
        """Answer no more."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def metrics(self) -> bytes:
        """Return this process's metrics, or those of all workers, labelled with `worker`."""
        directory = os.environ.get(DIRECTORY)
        if directory is None:
            return await self._expose()
        others = _others(Path(directory))
        # Together: while the database is unavailable, each takes as long as it waits for that.
        own, *answers = await asyncio.gather(self._expose(), *map(self._ask, others))
        texts = {path.stem: text for path, text in zip(others, answers, strict=True) if text}
        # In a thread: the texts of eight workers take up to 67 ms.
        return await asyncio.to_thread(merge, {str(os.getpid()): own, **texts})

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(await self._expose())
            await writer.drain()
        except ConnectionError:
            pass  # The worker that asked waits no longer, and has logged that.
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
            path.unlink(missing_ok=True)  # noqa: ASYNC240 - in memory; that worker was killed
        except (OSError, TimeoutError) as error:
            logger.warning("The metrics of another worker are missing: %s", reason(error))
        return b""


def _others(directory: Path) -> list[Path]:
    return [path for path in directory.glob("*.sock") if path.stem != str(os.getpid())]


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
