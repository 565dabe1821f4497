"""The interface of a routing engine, and the checks of its answers.

EngineError      the engine gave no answer, or none that can be right
└── Refused      it works, but has no answer for these places
"""

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import msgspec

from tracking.geo import distance

if TYPE_CHECKING:
    from aiohttp import ClientSession

# Seconds for a whole request. For 50 pairs in Helsinki's centre, OSRM beside the worker takes 60 to
# 90 ms; Valhalla for one pair 2 to 10 ms.
TIMEOUT: Final = 2.0
# Bytes of an answer: a Valhalla matrix of 50 × 50 has 500 kB, a way across a continent 1 MB.
MAX_BODY: Final = 2 * 1024 * 1024
# Bytes of a way's line: one of 300 km has 40 kB. A longer one is not for a rider's phone.
MAX_LINE: Final = 64 * 1024
# Metres by which a way may be shorter than the straight line: both ends are moved to the nearest
# street. A car whose nearest street is farther away is not where the engine's map is.
SNAPPING: Final = 300.0
# The part by which it may be shorter as well, as engines measure on another Earth than `geo`.
ROUNDING: Final = 0.01
# Metres per second. No street is driven faster.
MAX_SPEED: Final = 70.0

Answer = TypeVar("Answer", bound=msgspec.Struct)

# A latitude and a longitude.
Place = tuple[float, float]


class EngineError(Exception):
    """Raised if an engine does not answer, or nonsense. Its text has no location."""


class Refused(EngineError):
    """Raised if an engine has no answer for these places, but may have one for others."""


class Leg(NamedTuple):
    """A way to drive: seconds and metres."""

    seconds: float
    metres: float


class Route(NamedTuple):
    """A way to drive: seconds, metres, and its line as a polyline of 6 decimals."""

    seconds: float
    metres: float
    line: str


class Engine:
    """A routing engine. Subclasses implement `matrix` and `route`, and may use `fetch`.

    One object belongs to one event loop. All coordinates are (latitude, longitude).
    """

    # The pairs of one call of `matrix`.
    max_pairs = 50
    # True if all pairs of one call are to have the same end, as an engine may take long to answer
    # for each start and each end.
    one_end = False

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._session: ClientSession | None = None

    async def matrix(self, pairs: Sequence[tuple[Place, Place]]) -> list[Leg | None]:
        """Return the way from the first to the second place of each pair, None if there is none.

        Raise EngineError.
        """
        raise NotImplementedError

    async def route(self, start: Place, end: Place) -> Route | None:
        """Return the way with its line, None if there is none. Raise EngineError."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def fetch(self, path: str, **options: Any) -> tuple[int, bytes]:
        """Return the status and the body of the answer to a GET, or a POST of `json`.

        Raise EngineError. Nothing of the environment is used, no redirect followed, and no
        compressed body accepted: a few bytes could become gigabytes.
        """
        # Here, as importing it takes 0.15 s of each command, and most have no engine.
        from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar

        if self._session is None:
            self._session = ClientSession(
                timeout=ClientTimeout(total=TIMEOUT),
                trust_env=False,
                auto_decompress=False,
                cookie_jar=DummyCookieJar(),
                headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            )
        method = "POST" if "json" in options else "GET"
        try:
            async with self._session.request(
                method, self.url + path, allow_redirects=False, **options
            ) as response:
                body = bytearray()
                async for chunk in response.content.iter_chunked(64 * 1024):
                    body += chunk
                    if len(body) > MAX_BODY:
                        raise EngineError(f"an answer of more than {MAX_BODY} bytes")
                return response.status, bytes(body)
        except TimeoutError as error:
            raise EngineError(f"no answer within {TIMEOUT:g} s") from error
        except (ClientError, OSError, ValueError) as error:
            # Only the class: the text may have the URL, and with it the places.
            raise EngineError(f"no answer: {type(error).__name__}") from error


def decode(body: bytes, type_: type[Answer]) -> Answer:
    """Return the answer; raise EngineError if it is of another form."""
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EngineError("an answer of another form") from error


def check(seconds: float, metres: float, start: Place, end: Place) -> Leg | None:
    """Return a leg if it can be right, None if the engine has other places than these on its map.

    Raise EngineError if it is wrong for any places.
    """
    if not (0 <= seconds < inf and 0 <= metres < inf):
        raise EngineError("a duration or a distance that is no number from 0")
    if metres > seconds * MAX_SPEED + SNAPPING:
        raise EngineError(f"a drive faster than {MAX_SPEED:g} m/s")
    straight = distance(*start, *end)
    if metres < straight * (1 - ROUNDING) - SNAPPING:
        return None
    return Leg(seconds, metres)


def check_line(line: str) -> str:
    """Return the line of a way, empty if it is too long; raise EngineError if it is none."""
    if not all("?" <= character <= "~" for character in line):
        raise EngineError("a line that is no polyline")
    return line if len(line) <= MAX_LINE else ""
