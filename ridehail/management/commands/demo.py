"""Set up and run the demo: accounts, server, simulated rides."""

import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from ridehail.demo.accounts import DRIVER_ID, DemoAccounts, seed
from ridehail.demo.cars import register_cars
from ridehail.demo.processes import (
    Stopped,
    check_port_is_free,
    manage,
    stopping_on_signals,
    wait_until_listening,
)
from ridehail.demo.routing import town_routing
from ridehail.demo.trip import keep_trip
from ridehail.demo.welcome import welcome

# The number of simulated drivers that become stale, and of those that go offline.
STALE, OFFLINE = 4, 4
# Seconds between two looks whether the trip of the documentation's rider is still there.
TRIP_INTERVAL: Final = 60.0


class Command(BaseCommand):
    help = "Set up the demo's accounts and run the server with simulated drivers and riders."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=3002)
        parser.add_argument(
            "--interval", type=float, default=1.0, help="seconds between a driver's sends"
        )
        parser.add_argument(
            "--speed", type=float, default=1.0, help="drive so many times as fast as cars do"
        )
        # By default the simulator moves this driver too: a rider who watches sees it move at
        # once, and a developer who sends from the console sees it jump, which proves that it works.
        parser.add_argument(
            "--idle-driver",
            action="store_true",
            help=f"don't simulate driver {DRIVER_ID}, so that only you move it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "The demo's passwords are public, so it only runs with DEBUG on. "
                "To run the server without the demo: make serve"
            )
        port: int = options["port"]
        if not 0 < options["speed"] < float("inf"):
            raise CommandError("--speed must be a positive number.")
        check_port_is_free(port)
        try:
            with stopping_on_signals():
                call_command("migrate", verbosity=0, interactive=False)
                accounts = seed()
                register_cars(accounts.driver_ids)
                # The grant lasts a day from now on.
                keep_trip(accounts.driver, accounts.rider, timedelta(hours=23))
                self._run(accounts, **options)
        except Stopped:
            self.stdout.write("\nThe demo has stopped.")

    def _run(
        self,
        accounts: DemoAccounts,
        *,
        port: int,
        interval: float,
        speed: float,
        idle_driver: bool,
        **_: Any,
    ) -> None:
        log = Path(settings.BASE_DIR) / ".make" / "demo.log"
        log.parent.mkdir(exist_ok=True)
        with ExitStack() as running:
            output = running.enter_context(log.open("w"))
            environment, routing = running.enter_context(town_routing(speed, log, output))
            server = running.enter_context(
                manage("runserver", "--noreload", str(port), output=output, **environment)
            )
            wait_until_listening(port, server, log)
            text = welcome(accounts, port, str(log), routing, idle_driver=idle_driver)
            connections.close_all()
            self.stdout.write(text)
            self.stdout.flush()
            simulator = running.enter_context(
                manage(
                    "tracking_simulate",
                    "--rides",
                    f"--speed={speed}",
                    f"--drivers={accounts.driver_count - idle_driver}",
                    f"--interval={interval}",
                    f"--stale={STALE}",
                    f"--offline={OFFLINE}",
                    f"--url=ws://127.0.0.1:{port}",
                    *([f"--exclude={accounts.driver.pk}"] if idle_driver else []),
                )
            )
            look_at = time.monotonic() + TRIP_INTERVAL
            while server.poll() is None and simulator.poll() is None:
                time.sleep(0.2)
                if time.monotonic() > look_at:
                    look_at += TRIP_INTERVAL
                    keep_trip(accounts.driver, accounts.rider, timedelta(hours=1))
                    connections.close_all()
            if server.poll() is not None:
                raise CommandError(f"The server stopped unexpectedly. See its log: {log}")
            raise CommandError("The simulator stopped unexpectedly.")
