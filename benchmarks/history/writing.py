"""A writer beside what is measured: how long it has to wait at most."""

import threading
import time
from datetime import UTC, datetime
from typing import Final, Self

from django.db import connections

from benchmarks.history.fleet import Fleet
from tracking.fix import Fix
from tracking.history.writer import HistorySink
from tracking.pipeline.rows import upsert

# 2,000 updates/s: a batch of so many fixes, every so many seconds.
BATCH: Final = 10
INTERVAL: Final = 0.005


class Writer:
    """Stores new fixes as a worker does, last known locations and history, in a thread.

    `longest` is the longest time in milliseconds that one batch took so far, `count` the fixes.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._ids = fleet.ids
        self.longest = 0.0
        self.count = 0
        self._sink = HistorySink()
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        # The partition of today exists before something is measured.
        self._write(0)
        self.longest, self.count = 0.0, 0
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_stopping.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        number = 1
        try:
            while not self._is_stopping.wait(INTERVAL):
                self._write(number)
                number += 1
        except BaseException as error:  # raised again where the writer is used
            self._error = error
        finally:
            connections.close_all()

    def _write(self, number: int) -> None:
        now = datetime.now(UTC)
        first = number * BATCH % len(self._ids)
        fixes = [
            Fix(driver_id, -1.4354, 0.9871, now, now, 5.0, 90.0, 10.0)
            for driver_id in self._ids[first : first + BATCH]
        ]
        began = time.perf_counter()
        upsert(fixes, [self._sink], {fix.driver_id: [fix] for fix in fixes})
        self.count += BATCH
        self.longest = max(self.longest, 1000 * (time.perf_counter() - began))
