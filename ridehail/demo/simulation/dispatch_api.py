"""The calls of a host's dispatch system: trips, assignments and searches over the REST API."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from ridehail.demo.simulation.tally import Tally
from ridehail.demo.simulation.token import Token
from tracking.ids import DriverId, UserId

CALLS_AT_ONCE: Final = 8  # further ones wait for a thread
TIMEOUT: Final = 30.0  # seconds of one call; a development server's database may be slow
# Seconds between attempts, the last number repeatedly: the server may be restarting.
WAITS: Final = (0.5, 1.0, 2.0, 5.0)
COUNT: Final = 20  # drivers that a search returns at most


class Refused(Exception):
    """Raised for an answer that a repetition would not change. `code` is the problem's code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status, self.code = status, code


class DispatchApi:
    """Calls the server at `url`, ws or http, as the dispatcher whose token is given.

    A call is repeated until it is answered, and counted as an error each time that fails. All are
    harmless to repeat; a trip created twice waits without a driver until `open_trips` finds it.
    """

    def __init__(self, url: str, token: Token, tally: Tally) -> None:
        self._scheme, self._host, path, *_ = urlsplit(url)
        self._path, self._token, self._tally = path, token, tally
        self._threads = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="dispatch")
        self._running: set[Future[Any]] = set()

    async def settle(self) -> None:
        """Wait for requests whose callers were cancelled: they may still create a trip."""
        await asyncio.to_thread(wait, [each for each in self._running if each.running()])

    def close(self) -> None:
        """Free the threads; calls that run end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def open_trips(self, **filters: object) -> list[dict[str, Any]]:
        """Return the trips that have not ended."""
        found: list[dict[str, Any]] = []
        path = "/trips/?" + urlencode({"open": "true", **filters})
        while path:
            page = await self._call("GET", path)
            found += page["results"]
            parts = urlsplit(page["next"] or "")
            path = f"{parts.path.removeprefix(self._path)}?{parts.query}" if parts.path else ""
        return found

    async def trip(self, trip_id: int) -> dict[str, Any]:
        """Return a trip."""
        trip: dict[str, Any] = await self._call("GET", f"/trips/{trip_id}/")
        return trip

    async def create(
        self, reference: str, rider_id: UserId, waypoints: Sequence[Mapping[str, Any]]
    ) -> int:
        """Create a trip that waits for a driver; return its id."""
        body = {"reference": reference, "riders": [rider_id], "waypoints": [*waypoints]}
        trip_id: int = (await self._call("POST", "/trips/", body))["id"]
        return trip_id

    async def nearest(self, latitude: float, longitude: float, vehicle_type: str) -> list[DriverId]:
        """Return the nearest free drivers, nearest first; any `vehicle_type` if that is empty."""
        query: dict[str, object] = {"lat": latitude, "lon": longitude, "count": COUNT}
        if vehicle_type:
            query["vehicle_type"] = vehicle_type
        found = await self._call("GET", "/driver/nearby/?" + urlencode(query))
        return [driver["userId"] for driver in found["results"]]

    async def assign(self, trip_id: int, driver_id: DriverId, vehicle: str) -> None:
        """Give a trip to a driver. Raise Refused with 409 if another trip has the driver."""
        body = {"driver": driver_id, "vehicle": vehicle}
        await self._call("POST", f"/trips/{trip_id}/assign/", body)

    async def cancel(self, trip_id: int, reason: str) -> None:
        """Cancel a trip."""
        await self._call("POST", f"/trips/{trip_id}/cancel/", {"reason": reason})

    async def set_status(self, trip_id: int, status: str, token: Token) -> None:
        """Set the status of a trip, with the token of its driver.

        Do nothing if staff have set a later one.
        """
        try:
            await self._call("POST", f"/trips/{trip_id}/status/", {"status": status}, token)
        except Refused as error:
            if error.code != "status_conflict":
                raise

    async def _call(
        self, method: str, path: str, body: object = None, token: Token | None = None
    ) -> Any:
        """Return the decoded answer; raise Refused."""
        token, attempt = token or self._token, 0
        while True:
            try:
                request = self._threads.submit(self._request, method, path, body, token.get())
                self._running.add(request)
                request.add_done_callback(self._running.discard)
                status, answer = await asyncio.wrap_future(request)
            except (OSError, HTTPException, ValueError) as error:
                problem = type(error).__name__
            else:
                if status < 400:
                    return answer
                problem = str(status)
                if status == 401 and not attempt:
                    token.drop()
                elif status < 500 and status != 429:
                    raise Refused(status, answer.get("code", ""))
            self._tally.errors[f"dispatch: {problem}"] += 1
            await asyncio.sleep(WAITS[min(attempt, len(WAITS) - 1)])
            attempt += 1

    def _request(self, method: str, path: str, body: object, token: str) -> tuple[int, Any]:
        """Return the status and the decoded body. For a thread."""
        kind = HTTPSConnection if self._scheme in ("wss", "https") else HTTPConnection
        connection = kind(self._host, timeout=TIMEOUT)
        try:
            connection.request(
                method,
                self._path + path,
                None if body is None else json.dumps(body),
                {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            )
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()
