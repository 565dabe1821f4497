"""Drive simulated vehicles through the real socket, as phones would."""

import asyncio
import contextlib
import signal
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Iterator, Sequence
from typing import Any, Final

from asgiref.sync import async_to_sync
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rest_framework_simplejwt.settings import api_settings

from accounts.models import User
from accounts.tokens import access_token_for
from ridehail.demo.simulation.fleet import Fleet, ServerMissing, check_server
from ridehail.demo.simulation.token import Mint
from tracking.ids import DriverId, UserId
from tracking.people import USER_IDS
from tracking.permissions import may_publish

# The part of its lifetime after which a token is replaced, while it is still valid.
RENEW_AFTER: Final = 0.8
# What the dispatcher of the rides needs.
DISPATCH_PERMISSIONS: Final = (
    "tracking.view_driverlocation",
    "tracking.view_trip",
    "tracking.add_trip",
    "tracking.change_trip",
)


class Command(BaseCommand):
    help = (
        "Simulates vehicles in a made-up city and sends their locations through the real "
        "WebSocket, as phones do. Press Ctrl-C to stop."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--drivers", type=_positive(int), default=20, metavar="N")
        parser.add_argument(
            "--interval",
            type=_positive(float),
            default=5.0,
            metavar="S",
            help="seconds between two sends",
        )
        parser.add_argument(
            "--url", default="ws://127.0.0.1:3002", help="the server's URL, ws or http"
        )
        parser.add_argument(
            "--duration", type=_positive(float), metavar="S", help="stop after so many seconds"
        )
        parser.add_argument(
            "--stale",
            type=_positive(int),
            default=0,
            metavar="N",
            help="number of drivers that soon lose the GPS signal and repeat an old location",
        )
        parser.add_argument(
            "--offline",
            type=_positive(int),
            default=0,
            metavar="N",
            help="number of drivers that soon end their shift",
        )
        parser.add_argument("--seed", type=int, help="repeat the same drives")
        parser.add_argument(
            "--exclude",
            type=_user_id,
            action="append",
            default=[],
            metavar="ID",
            help="don't simulate this driver; may be repeated",
        )
        parser.add_argument(
            "--speed",
            type=_positive(float),
            default=1.0,
            metavar="F",
            help="drive so many times as fast as cars do",
        )
        parser.add_argument(
            "--rides",
            action="store_true",
            help="drive riders: dispatch creates trips, and gives each to the nearest free driver",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        options["url"] = _websocket_url(options["url"])
        if options["stale"] + options["offline"] > options["drivers"]:
            raise CommandError("--stale and --offline are more than there are --drivers.")
        _allow_sockets(options["drivers"])
        # Before the event loop, so that the queries run on this thread's connection.
        users = async_to_sync(_find_drivers)(options["drivers"], options["exclude"])
        if options["rides"]:
            options |= {"dispatcher": _mint(_find_dispatcher()), "riders": _find_riders()}
        asyncio.run(self._simulate({user.pk: _mint(user) for user in users}, **options))

    async def _simulate(
        self,
        mints: dict[DriverId, Mint],
        *,
        url: str,
        interval: float,
        duration: float | None,
        seed: int | None,
        stale: int,
        offline: int,
        speed: float,
        dispatcher: Mint | None = None,
        riders: Sequence[UserId] = (),
        **_: Any,
    ) -> None:
        fleet = Fleet(
            mints,
            url=url,
            interval=interval,
            seed=seed,
            stale=stale,
            offline=offline,
            speed=speed,
            dispatcher=dispatcher,
            riders=riders,
            say=lambda text: self.stderr.write(self._over_line(text)),
        )
        try:
            await check_server(url)
        except ServerMissing as error:
            raise CommandError(f"{error}. Start one with: manage.py runserver") from error
        stop = asyncio.Event()
        with _stopping_on_signals(stop):
            if duration is not None:
                asyncio.get_running_loop().call_later(duration, stop.set)
            started = time.perf_counter()
            await fleet.run(stop, self._show, 1.0 if self.stdout.isatty() else 5.0)
            seconds = time.perf_counter() - started
        self.stdout.write(self._over_line(fleet.tally.summary(fleet.size, seconds)))
        if not fleet.tally.acknowledged:
            raise CommandError("The server acknowledged nothing.")

    def _show(self, line: str) -> None:
        if self.stdout.isatty():
            self.stdout.write(self._over_line(line), ending="")
        else:
            self.stdout.write(line)
        self.stdout.flush()

    def _over_line(self, text: str) -> str:
        """Return the line; on a terminal, with codes that replace the progress line."""
        return f"\r\x1b[K{text}" if self.stdout.isatty() else text


async def _find_drivers(wanted: int, exclude: list[Any]) -> list[User]:
    """Return the first active users who may publish for themselves."""
    users = User.objects.filter(is_active=True).exclude(pk__in=exclude)
    found: list[User] = []
    async for user in users.order_by("pk").aiterator():
        if await may_publish(user, user.pk):
            found.append(user)
            if len(found) == wanted:
                return found
    raise CommandError(
        f"{wanted} drivers wanted, but only {len(found)} active users may publish for themselves. "
        f"Ask for --drivers {len(found)}, or create more."
        if found
        else "No active user may publish for themselves: create some drivers first."
    )


def _find_dispatcher() -> User:
    """Return an active user who may search drivers, and create and change trips."""
    staff = User.objects.filter(is_active=True, is_staff=True)
    # Superusers last: one who needs no more than these permissions shows that they are enough.
    for user in staff.order_by("is_superuser", "pk"):
        if user.has_perms(DISPATCH_PERMISSIONS):
            return user
    raise CommandError(
        "--rides needs an active staff user with these permissions: "
        f"{', '.join(DISPATCH_PERMISSIONS)}."
    )


def _find_riders() -> list[UserId]:
    riders = User.objects.filter(is_active=True, role=User.Role.RIDER).order_by("pk")
    if not riders:
        raise CommandError("--rides needs active users with the role of a rider.")
    return [user.pk for user in riders]


def _mint(user: User) -> Mint:
    """Return a function that issues tokens as the log-in does."""

    def mint() -> tuple[str, float]:
        renew_at = time.time() + RENEW_AFTER * api_settings.ACCESS_TOKEN_LIFETIME.total_seconds()
        return access_token_for(user), renew_at

    return mint


def _websocket_url(url: str) -> str:
    scheme, separator, rest = url.rstrip("/").partition("://")
    scheme = {"http": "ws", "https": "wss"}.get(scheme, scheme)
    if scheme not in ("ws", "wss") or not separator or not rest:
        raise CommandError(f"--url must start with ws://, wss://, http:// or https://, not {url!r}")
    return f"{scheme}://{rest}"


def _allow_sockets(drivers: int) -> None:
    """Raise the limit on open files, which is low in shells, for so many connections."""
    if sys.platform == "win32":
        return
    import resource

    needed = drivers + 100
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise CommandError(
                f"{drivers} connections need {needed} open files, and this system allows {hard}: "
                f"raise it with ulimit -n, or ask for fewer drivers."
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@contextlib.contextmanager
def _stopping_on_signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    # Elsewhere, Ctrl-C ends the command without a summary.
    signals = [] if sys.platform == "win32" else [signal.SIGINT, signal.SIGTERM]
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _user_id(text: str) -> UserId:
    user_id = USER_IDS.parse(text)
    if user_id is None:
        raise ArgumentTypeError(f"{text} is not a {USER_IDS.description}")
    return user_id


def _positive(kind: type) -> Any:
    def parse(text: str) -> Any:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise ArgumentTypeError(f"{text} is not a positive number")
        return value

    parse.__name__ = kind.__name__  # what argparse calls it in "invalid … value"
    return parse
