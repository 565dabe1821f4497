"""The system under test: where drivers connect, where watchers do, and who they are."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.services import StoredLocation, create_users, locations, manage
from tests.services.server import Server

from .client import Client, Driver, Watcher

# The ones that the contract speaks of, and one who is neither.
DRIVER, OTHER_DRIVER, RIDER = 19, 20, 22
# For the simulator, which takes the drivers with the lowest ids, the two included.
SIMULATED = range(101, 121)
# Each handed out once, so that no test meets the locations of another.
DRIVERS = range(1001, 2001)
MISSING = 999_999


def person(user_id: int, role: str = "driver", **fields: Any) -> dict[str, Any]:
    """A user for `create_users`."""
    email = f"{role}{user_id}@example.org"
    return {"id": user_id, "email": email, "name": f"Person {user_id}", "role": role, **fields}


def create_people(environment: Mapping[str, str]) -> dict[int, str]:
    """All of the above but the missing one, and their access tokens."""
    rider = person(RIDER, "rider", email="jonh@gmail.com", name="Jonh")
    drivers = map(person, (DRIVER, OTHER_DRIVER, *SIMULATED, *DRIVERS))
    return create_users(environment, [rider, *drivers])


class Stack:
    """One server or several on one database, and the access tokens of the people in it.

    Drivers connect to the first server and watchers to the last.
    """

    def __init__(self, servers: Sequence[Server], tokens: Mapping[int, str]) -> None:
        self.servers = servers
        self.driver_server, self.watcher_server = servers[0], servers[-1]
        self.environment = self.driver_server.environment
        self.tokens = tokens
        self._unused = iter(DRIVERS)

    def new_driver(self) -> int:
        """The id of a driver who has no location yet."""
        return next(self._unused)

    def driver(self, driver_id: int, **options: Any) -> Driver:
        """The app of a driver, which has the driver's token unless `options` give another."""
        options.setdefault("token", self.tokens.get(driver_id))
        return Driver(self.driver_server.websocket_url, driver_id, **options)

    def watcher(self, driver_id: int, **options: Any) -> Watcher:
        """Somebody who watches a driver: the rider, unless `options` give another token."""
        options.setdefault("token", self.tokens[RIDER])
        return Watcher(self.watcher_server.websocket_url, driver_id, **options)

    def client(self, route: str, query: str) -> Client:
        """A connection to `set-tracking` or `get-tracking`, on the server that is for it."""
        server = self.driver_server if route == "set-tracking" else self.watcher_server
        return Client(f"{server.websocket_url}/driver/{route}?{query}")

    def stored(self, driver_id: int) -> StoredLocation | None:
        """What the database holds now."""
        return locations(self.environment).get(driver_id)

    async def host(self, program: str, **variables: Any) -> Any:
        """Run Python with these variables in a process of its own, as a host project's code would.

        Gives what the program leaves in `result`, over JSON.
        """
        values = json.dumps({"result": None, **variables})
        begin = f"import json\nglobals().update(json.loads({values!r}))\n"
        end = "\nprint(json.dumps(result))"
        arguments = ("shell", "--no-imports", "-c", begin + program + end)
        output = await asyncio.to_thread(manage, self.environment, *arguments)
        return json.loads(output.splitlines()[-1])

    def log(self) -> str:
        return "".join(server.log() for server in self.servers)
