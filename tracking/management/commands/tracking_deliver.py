"""`manage.py tracking_deliver`: sends events to the host's receivers and to webhooks."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread
from typing import Any, Final, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError

from tracking.alerts.watch import Watch
from tracking.arrival.sweep import sweep
from tracking.engine.database import DatabaseThread, is_unavailable
from tracking.events.statuses import note_statuses
from tracking.matching import match_finished
from tracking.throttled_log import Throttle, reason
from tracking.webhooks.deliverer import Deliverer
from tracking.webhooks.mails import send_mail
from tracking.webhooks.waiting import waiting

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

Answer = TypeVar("Answer")

# Other work in the background: a name, the seconds between two calls, and a function that uses the
# database and is safe to repeat. Each has a thread of its own. Several processes may call it at the
# same time.
Job = tuple[str, float, Callable[[], object]]
JOBS: Final[Sequence[Job]] = (
    ("zones", 5.0, sweep),
    ("alerts", 10.0, Watch().look),
    ("statuses", 3.0, note_statuses),
    ("matching", 60.0, match_finished),
    ("mails", 5.0, send_mail),
)

# Seconds that anything may wait before --check fails: as in the alert `EventsWait`.
MAX_WAIT: Final = 60.0


class Command(BaseCommand):
    help = (
        "Sends events: to the receivers of tracking.signals.event_occurred, and to webhooks. Run "
        "it beside the server, until SIGTERM. On PostgreSQL any number of processes may; on SQLite "
        "one is enough."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        kind = parser.add_mutually_exclusive_group()
        kind.add_argument(
            "--once",
            action="store_true",
            help="stop when nothing is due; attempts that failed are repeated by the next run",
        )
        kind.add_argument(
            "--check",
            action="store_true",
            help="send nothing; fail if an event, or a webhook to an endpoint that works, has "
            f"waited for more than {MAX_WAIT:g} seconds: no deliverer runs, or it does not keep up",
        )
        parser.add_argument(
            "--until-eof",
            action="store_true",
            help="stop when the standard input ends too: for a program that starts this one",
        )

    def handle(self, *args: Any, once: bool, check: bool, until_eof: bool, **options: Any) -> None:
        try:
            if check:
                self._check()
            else:
                asyncio.run(_run(once=once, until_eof=until_eof))
        except (DatabaseError, InterfaceError) as error:
            # Only with --once and --check: otherwise it waits.
            if not is_unavailable(error):
                raise
            raise CommandError(f"The database is unavailable: {reason(error)}") from error

    def _check(self) -> None:
        """Raise CommandError if anything has waited too long."""
        late = [
            f"{queue}: {each.count}, the oldest for {each.seconds:.0f} s"
            for queue, each in asyncio.run(_call(waiting)).items()
            if each.seconds > MAX_WAIT
        ]
        if late:
            raise CommandError(f"Events wait. {'; '.join(late)}. Does tracking_deliver run?")
        self.stdout.write(f"Nothing has waited for more than {MAX_WAIT:g} s.")


async def _run(*, once: bool, until_eof: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Not on Windows: there, Ctrl-C interrupts.
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    if until_eof:
        Thread(target=_wait_for_eof, args=(loop, stop), daemon=True).start()
    deliverer = Deliverer()
    if once:
        await deliverer.run_once(stop)
        await _call(send_mail)
        return
    async with asyncio.TaskGroup() as group:
        group.create_task(deliverer.run(stop))
        for job in JOBS:
            group.create_task(_repeat(job, stop))


async def _call(function: Callable[[], Answer]) -> Answer:
    """Call a function that uses the database once, and return or raise what it does."""
    database = DatabaseThread("tracking-once")
    try:
        return await database.run(function)
    finally:
        await asyncio.to_thread(database.close)


async def _repeat(job: Job, stop: asyncio.Event) -> None:
    """Call a job's function again and again, until `stop` is set."""
    name, interval, function = job
    database = DatabaseThread(f"tracking-{name}")
    try:
        while not stop.is_set():
            try:
                await database.run(function)
            except Exception as error:
                if is_unavailable(error):
                    logger.warning("%s waits for the database: %s", name, reason(error))
                else:
                    logger.error("%s failed", name, exc_info=error)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), interval)
    finally:
        await asyncio.to_thread(database.close)


def _wait_for_eof(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Set `stop` at the end of the standard input: the program at its other end has ended."""
    with suppress(OSError):
        while os.read(sys.stdin.fileno(), 1024):
            pass
    with suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(stop.set)
