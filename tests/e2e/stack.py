"""The system under test: the servers for drivers and watchers, and the users."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.services import StoredLocation, create_users, locations, manage
from tests.services.server import Server

from .client import Client, Driver, Watcher

# The drivers of the contract's examples, and a user who is no driver.
DRIVER, OTHER_DRIVER, RIDER = 19, 20, 22
# For the simulator, which takes the drivers with the lowest ids, including these two.
SIMULATED = range(101, 121)
# Each is given to one test only, so that no test sees the locations of another.
DRIVERS = range(1001, 2001)
MISSING = 999_999


def person(user_id: int, role: str = "driver", **fields: Any) -> dict[str, Any]:
    """Return a user for `create_users`."""
    email = f"{role}{user_id}@example.org"
    return {"id": user_id, "email": email, "name": f"Person {user_id}", "role": role, **fields}


def create_people(environment: Mapping[str, str]) -> dict[int, str]:
    """Create all of the above but the missing one, and return their access tokens."""
    rider = person(RIDER, "rider", email="jonh@gmail.com", name="Jonh")
    drivers = map(person, (DRIVER, OTHER_DRIVER, *SIMULATED, *DRIVERS))
    return create_users(environment, [rider, *drivers])


class Stack:
    """One or more servers on one database, and the access tokens of its users.

    Drivers connect to the first server and watchers to the last.
    """

    def __init__(self, servers: Sequence[Server], tokens: Mapping[int, str]) -> None:
        self.servers = servers
        self.driver_server, self.watcher_server = servers[0], servers[-1]
        self.environment = self.driver_server.environment
        self.tokens = tokens
        self._unused = iter(DRIVERS)

    def new_driver(self) -> int:
        """Return the id of a driver who has no location yet."""
        return next(self._unused)

    def driver(self, driver_id: int, **options: Any) -> Driver:
        """Return a driver's app, with the driver's token unless `options` give another."""
        options.setdefault("token", self.tokens.get(driver_id))
        return Driver(self.driver_server.websocket_url, driver_id, **options)

    def watcher(self, driver_id: int, **options: Any) -> Watcher:
        """Return a watcher of a driver: the rider, unless `options` give another token."""
        options.setdefault("token", self.tokens[RIDER])
        return Watcher(self.watcher_server.websocket_url, driver_id, **options)

    def client(self, route: str, query: str) -> Client:
        """Return a connection to `set-tracking` or `get-tracking`, on the server for that route."""
        server = self.driver_server if route == "set-tracking" else self.watcher_server
        return Client(f"{server.websocket_url}/driver/{route}?{query}")

    def stored(self, driver_id: int) -> StoredLocation | None:
        """Return the driver's stored location, if any."""
        return locations(self.environment).get(driver_id)

    async def host(self, program: str, **variables: Any) -> Any:
        """Run Python with these variables in a process of its own, as a host project's code would.

        Returns the program's variable `result`, passed as JSON.
        """
        values = json.dumps({"result": None, **variables})
        begin = f"import json\nglobals().update(json.loads({values!r}))\n"
        end = "\nprint(json.dumps(result))"
        arguments = ("shell", "--no-imports", "-c", begin + program + end)
        output = await asyncio.to_thread(manage, self.environment, *arguments)
        return json.loads(output.splitlines()[-1])

    def log(self) -> str:
        return "".join(server.log() for server in self.servers)
