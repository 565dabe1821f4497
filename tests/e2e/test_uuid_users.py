"""A host project whose users have UUIDs as keys, in development and in production."""

import asyncio
import base64
import json
import uuid
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from tests import services

from .client import Client
from .conftest import DEVELOPMENT_IS_LONG
from .http import call, exchange
from .stack import RIDER, Stack

HOST = "tests.e2e.uuid_host"
HERE = {"lat": "-1.4354", "lon": "0.9871"}

PEOPLE = """
from django.contrib.auth import get_user_model
from rest_framework_simplejwt.tokens import AccessToken
from tracking.models.device import Device

people = get_user_model().objects
result = {"tokens": {}, "ids": {}}
for name, fields in everybody.items():
    user = people.create(username=name, **fields)
    result["ids"][name] = str(user.pk)
    result["tokens"][str(user.pk)] = str(AccessToken.for_user(user))
result["device"] = Device.objects.issue(people.get(username="driver_with_phone"), "phone").token
"""
EVERYBODY = {
    **{
        name: {"drives": True, "last_name": name}
        for name in (
            "driver",
            "driver_in_capitals",
            "driver_of_the_deactivated",
            "driver_over_rest",
            "driver_with_trips",
            "driver_on_pages",
            "driver_with_phone",
            "driver_who_leaves",
            "driver_to_delete",
            "driver_in_storage",
        )
    },
    "rider": {},
    "dispatcher": {"is_staff": True, "is_superuser": True},
}


@pytest.fixture(scope="module", params=DEVELOPMENT_IS_LONG)
def host(request):
    with ExitStack() as running:
        if request.param == "runserver":
            database, redis = running.enter_context(services.sqlite()), ""
        else:
            database = request.getfixturevalue("postgres_service").new_database()
            redis = request.getfixturevalue("redis_service").url
        environment = services.environment(
            database, redis, DJANGO_SETTINGS_MODULE=f"{HOST}.settings"
        )
        services.migrate(environment)
        if request.param == "runserver":
            # Daphne's own runserver, which has no option to leave the deliverer out.
            servers = [services.Runserver(environment, "uuid", delivers=True)]
        else:
            application = "tests.e2e.plain_host_asgi:application"
            servers = [
                services.PlainUvicorn(environment, application, f"uuid {number}")
                for number in range(2)
            ]
        for server in servers:
            running.enter_context(server)
        stack = Stack(servers, {})
        made = asyncio.run(stack.host(PEOPLE, everybody=EVERYBODY))
        stack.tokens, stack.ids, stack.device = made["tokens"], made["ids"], made["device"]
        stack.tokens[RIDER] = stack.tokens[stack.ids["rider"]]
        yield stack
        assert "Traceback" not in stack.log()


@pytest.fixture
def dispatcher(host):
    return host.tokens[host.ids["dispatcher"]]


async def rest(host, token, method, path, body=None):
    return await call(host.watcher_server.port, method, f"/driver/{path}", token, body)


async def open_grant(host, dispatcher, driver_id):
    grant = {
        "driver": driver_id,
        "watcher": host.ids["rider"],
        "ends_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    }
    opened = await rest(host, dispatcher, "POST", "grants/", grant)
    assert opened.status == 201, opened.body
    return opened.json()


def watching(host, driver_id, name="rider"):
    return host.watcher(driver_id, token=host.tokens[host.ids[name]])


def of_driver(driver_id, **facts):
    """Return a condition on frames: the last one has these values of a driver."""

    def is_said(frames):
        last = json.loads(frames[-1]) if frames else {}
        return {"userId": driver_id, **facts}.items() <= last.items()

    return is_said


def in_fleet(*kinds, driver_id):
    def is_there(frames):
        found = [
            item if isinstance(item, str) else item["userId"]
            for frame in frames
            for kind in kinds
            for item in json.loads(frame).get(kind, [])
        ]
        return driver_id in found

    return is_there


def fleet(host):
    return Client(f"{host.watcher_server.websocket_url}/fleet/get-tracking")


async def test_a_grant_opens_a_stream_of_the_drivers_locations_and_ends_it(host, dispatcher):
    driver_id = host.ids["driver"]
    async with watching(host, driver_id) as refused:
        await refused.start()
        assert await refused.close_code() == 4403
    grant = await open_grant(host, dispatcher, driver_id)
    assert (grant["driver"], grant["watcher"]) == (driver_id, host.ids["rider"])
    assert grant["opened_by"] == host.ids["dispatcher"]
    async with watching(host, driver_id) as plain, watching(host, driver_id) as detailed:
        await plain.start()
        await detailed.start(details=True)
        await detailed.until(of_driver(driver_id, status="unknown"))
        async with host.driver(driver_id) as driver:
            point = {"location_lat": "-1.4354", "location_lon": "0.9871"}
            assert json.loads(await driver.send(**HERE)) == point
            assert json.loads(await plain.frame(0)) == point
            await detailed.until(of_driver(driver_id, status="live", **point))
            # In two batches, as workers send each other only the newest location of each driver.
            await driver.send("-1.4355", "0.9871")
            await plain.until(lambda frames: '"-1.4355"' in frames[-1])
        listed = await rest(host, dispatcher, "GET", f"grants/?driver={driver_id}&live=true")
        assert [found["id"] for found in listed.json()["results"]] == [grant["id"]]
        await rest(host, dispatcher, "POST", f"grants/{grant['id']}/end/")
        assert await plain.close_code() == 4403
        assert await detailed.close_code() == 4403


async def test_an_id_is_read_in_either_case_and_written_in_lower_case(host, dispatcher):
    driver_id = host.ids["driver_in_capitals"]
    async with host.driver(driver_id.upper(), token=host.tokens[driver_id]) as driver:
        await driver.send(**HERE)
    seen = await rest(host, dispatcher, "GET", f"{driver_id.upper()}/location/")
    assert seen.json()["userId"] == driver_id
    await open_grant(host, dispatcher, driver_id.upper())
    async with watching(host, driver_id.upper()) as watcher:
        await watcher.start(details=True)
        await watcher.until(of_driver(driver_id))


@pytest.mark.parametrize(
    "spell",
    ["19", "{{{0}}}", "urn:uuid:{0}", "{0}x", "", lambda text: text.replace("-", "")],
)
async def test_other_spellings_are_refused(host, dispatcher, spell):
    driver_id = host.ids["driver"]
    text = spell.format(driver_id) if isinstance(spell, str) else spell(driver_id)
    async with host.client("get-tracking", f"userId={text}") as client:
        assert json.loads(await client.frame(0))["error"] == {
            "code": "invalid_user_id",
            "message": "connect with ?userId=<the driver's id>, one UUID",
        }
        assert await client.close_code() == 4400
    assert (await rest(host, dispatcher, "GET", f"{text}/location/")).status == 404
    grant = {"driver": text, "watcher": host.ids["rider"], "ends_at": "2126-01-01T00:00:00Z"}
    answer = await rest(host, dispatcher, "POST", "grants/", grant)
    assert (answer.status, list(answer.json()["error"]["fields"])) == (400, ["driver"])


async def test_missing_user_can_neither_be_watched_nor_reported_for(host, dispatcher):
    missing = str(uuid.uuid4())
    assert (await rest(host, dispatcher, "GET", f"{missing}/location/")).status == 403
    assert (await rest(host, dispatcher, "PUT", f"{missing}/location/", HERE)).status == 403
    async with watching(host, missing, "dispatcher") as watcher:
        await watcher.start()
        assert await watcher.close_code() == 4403


async def test_locations_go_over_rest(host, dispatcher):
    driver_id = host.ids["driver_over_rest"]
    token = host.tokens[driver_id]
    path = f"{driver_id}/location/"
    assert (await rest(host, dispatcher, "GET", path)).status == 404
    assert (await rest(host, token, "PUT", path, HERE)).status == 201
    assert (await rest(host, token, "PUT", path, HERE)).status == 204
    fixes = [{**HERE, "recorded_at": "2026-01-31T12:00:00Z"}]
    batch = await rest(host, token, "POST", f"{driver_id}/locations/", {"fixes": fixes})
    assert batch.status == 204
    assert (await rest(host, host.tokens[host.ids["rider"]], "GET", path)).status == 403
    assert (await rest(host, dispatcher, "GET", path)).json()["userId"] == driver_id
    pages = "locations/?page_size=1"
    found = []
    while pages:
        page = (await rest(host, dispatcher, "GET", pages)).json()
        found += [location["userId"] for location in page["results"]]
        pages = page["next"] and "locations/" + page["next"].partition("locations/")[2]
    assert driver_id in found
    assert found == sorted(set(found))


async def test_trips_and_states_go_over_rest(host, dispatcher):
    driver_id, rider_id = host.ids["driver_with_trips"], host.ids["rider"]
    token = host.tokens[driver_id]
    available = {"state": "available"}
    answer = await rest(host, token, "PUT", f"{driver_id.upper()}/state/", available)
    assert (answer.status, answer.json()["userId"]) == (200, driver_id)

    async def trips(token, method, path="", body=None):
        return await call(host.watcher_server.port, method, f"/trips/{path}", token, body)

    created = await trips(dispatcher, "POST", "", {"riders": [rider_id], "driver": driver_id})
    assert created.status == 201, created.body
    trip = created.json()
    assert (trip["driver"]["userId"], trip["riders"]) == (driver_id, [rider_id])
    path = f"{trip['id']}/"
    for who in (token, host.tokens[rider_id], dispatcher):
        assert (await trips(who, "GET", path)).json() == trip
        listed = await trips(who, "GET", f"?driver={driver_id}&rider={rider_id}&open=true")
        assert listed.json()["results"] == [trip]
    refused = await trips(dispatcher, "POST", "", {"riders": [], "driver": driver_id})
    found = refused.json()
    assert (refused.status, found["driver"], found["trip"]) == (409, driver_id, trip["id"])
    for wrong in ({"riders": [19]}, {"riders": [], "driver": str(uuid.uuid4())}):
        assert (await trips(dispatcher, "POST", "", wrong)).status == 400
    conflict = await rest(host, token, "PUT", f"{driver_id}/state/", {"state": "non_operational"})
    assert (conflict.status, conflict.json()["trip"]) == (409, trip["id"])
    started = await trips(token, "POST", f"{path}status/", {"status": "enroute_to_dropoff"})
    assert started.json()["status"] == "enroute_to_dropoff"
    assert (await trips(token, "POST", f"{path}complete/")).json()["status"] == "complete"
    state = await rest(host, token, "GET", f"{driver_id}/state/")
    assert (state.json()["state"], state.json()["trip"]) == ("available", None)


async def test_a_phone_reports_for_its_driver(host, dispatcher):
    body = b'{"_type":"location","lat":-1.4354,"lon":0.9871}'
    credentials = base64.b64encode(f"mary:{host.device}".encode()).decode()
    request = (
        "POST /driver/report/owntracks/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Authorization: Basic {credentials}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    answer = await exchange(host.driver_server.port, request.encode() + body)
    assert answer.status == 200
    driver_id = host.ids["driver_with_phone"]
    seen = await rest(host, dispatcher, "GET", f"{driver_id}/location/")
    assert seen.json()["userId"] == driver_id


async def test_a_driver_who_leaves_is_offline_unless_connected_to_another_worker(host, dispatcher):
    """Check on two workers, which ask each other whether the driver is connected."""
    driver_id = host.ids["driver_who_leaves"]
    await open_grant(host, dispatcher, driver_id)
    async with watching(host, driver_id) as watcher:
        await watcher.start(details=True)
        async with Client(
            f"{host.watcher_server.websocket_url}/driver/set-tracking?userId={driver_id}"
        ) as elsewhere:
            token = host.tokens[driver_id]
            await elsewhere.send_message(token=token, command="send", **HERE)
            await elsewhere.frame(0)
            async with host.driver(driver_id) as driver:
                await driver.send(**HERE)
            await watcher.until(of_driver(driver_id, status="live"))
            with pytest.raises(AssertionError, match="not within"):
                await watcher.until(of_driver(driver_id, status="offline"), 6.5)
        await watcher.until(of_driver(driver_id, status="offline"))


async def test_the_fleet_shows_drivers_and_removes_deleted_ones(host, dispatcher):
    driver_id = host.ids["driver_to_delete"]
    await open_grant(host, dispatcher, driver_id)
    async with (
        fleet(host) as viewer,
        host.driver(driver_id) as driver,
        watching(host, driver_id) as watcher,
    ):
        await viewer.send_message(token=dispatcher, command="start")
        await driver.send(**HERE)
        await watcher.start()
        await watcher.frame(0)
        await viewer.until(in_fleet("snapshot", "update", driver_id=driver_id))
        await call(host.driver_server.port, "DELETE", f"/people/{driver_id}/no/")
        assert await driver.close_code() == 4401
        assert await watcher.close_code() == 4403
        await viewer.until(in_fleet("remove", driver_id=driver_id))
    async with fleet(host) as later:
        await later.send_message(token=dispatcher, command="start")
        await later.frame(0)
        assert not in_fleet("snapshot", "update", driver_id=driver_id)(later.frames)


async def test_a_user_who_is_deactivated_is_disconnected(host, dispatcher):
    rider = host.ids["rider"]
    driver_id = host.ids["driver_of_the_deactivated"]
    await open_grant(host, dispatcher, driver_id)
    async with watching(host, driver_id) as watcher:
        await watcher.start(details=True)
        await watcher.until(of_driver(driver_id))
        await call(host.driver_server.port, "POST", f"/people/{rider}/no/")
        assert await watcher.close_code() == 4401
    await call(host.driver_server.port, "POST", f"/people/{rider}/yes/")


async def test_pages_and_the_admin_show_the_driver(host):
    driver_id = host.ids["driver_on_pages"]
    token = host.tokens[driver_id]
    await rest(host, token, "PUT", f"{driver_id}/location/", HERE)
    await rest(host, host.tokens[host.ids["dispatcher"]], "GET", f"{driver_id}/location/")
    program = """
from django.contrib.auth import get_user_model
from django.test import Client

people = get_user_model().objects
staff, own = (Client(headers={"host": "localhost"}) for _ in range(2))
staff.force_login(people.get(username="dispatcher"))
own.force_login(people.get(username="driver_on_pages"))
search = lambda query: staff.get("/driver/search/", {"q": query}).json()["drivers"]
result = {
    "search": [[found["userId"] for found in search(query)] for query in (driver, "on_pages", "1")],
    "statuses": {path: staff.get(path).status_code for path in paths},
    "rows": driver in staff.get("/admin/tracking/driverlocation/").content.decode(),
    "map": f'data-driver-id="{driver}"' in staff.get(f"/driver/{driver}/map/").content.decode(),
    "own": f'data-driver-id="{driver}"' in own.get("/driver/share/").content.decode(),
    "looks": "driver_on_pages" in staff.get("/admin/tracking/locationaccess/").content.decode(),
}
"""
    paths = [
        f"/admin/tracking/driverlocation/{driver_id}/change/",
        f"/admin/tracking/driverlocation/{driver_id}/day/?date=2026-11-27",
        "/admin/tracking/historyhold/",
        "/admin/tracking/historyerasure/",
        "/admin/tracking/watchgrant/",
        "/admin/tracking/watchgrant/add/",
        "/admin/tracking/device/",
        "/admin/tracking/locationaccess/",
        "/driver/fleet/",
        f"/driver/{driver_id.upper()}/map/",
        "/schema/",
    ]
    shown = await host.host(program, driver=driver_id, paths=paths)
    assert shown == {
        "search": [[driver_id], [driver_id], []],
        "statuses": dict.fromkeys(paths, 200),
        "rows": True,
        "map": True,
        "own": True,
        "looks": True,
    }


async def test_rows_are_written_and_read_by_id(host):
    """Check that a deleted account and a failure are distinguished, as with integers."""
    program = """
import uuid
from datetime import UTC, datetime, timedelta

from tracking.fix import Fix
from tracking.fleet.rows import load_marks, load_names, load_page
from tracking.pipeline.rows import load_snapshots, locked_drivers, upsert, upsert_and_compare

now = datetime.now(UTC)
mine, missing = uuid.UUID(driver), uuid.uuid4()
fix = lambda driver_id, later=0: Fix(
    driver_id, -1.4354, 0.9871, *[now + timedelta(seconds=later)] * 2
)
gone = upsert([fix(missing), fix(mine)])
rejected, before = upsert_and_compare([fix(mine, 1)])
upsert([fix(mine)])
many = [mine, *(uuid.uuid4() for _ in range(40_000))]
result = {
    "gone": gone == {missing},
    "compared": (rejected, before) == (set(), {mine: fix(mine)}),
    "late": load_snapshots([mine, missing]) == {mine: fix(mine, 1)},
    "many": load_snapshots(many).keys() == {mine},
    "locked": locked_drivers([mine, missing]) == set(),
    "marks": load_marks(now)[mine] == (now + timedelta(seconds=1), None),
    "names": load_names(many) == {mine: "driver_in_storage"},
    "page": [row.driver_id for row, _ in load_page(uuid.UUID(int=mine.int - 1))][:1] == [mine],
}
"""
    written = await host.host(program, driver=host.ids["driver_in_storage"])
    assert set(written.values()) == {True}, written


async def test_a_drivers_grant_may_be_handled_in_python(host):
    program = """
from datetime import timedelta
from uuid import UUID, uuid4

from django.utils import timezone
from tracking.grants import InvalidGrant, end_grant, open_grant
from tracking.revocation import recheck

ends_at = timezone.now() + timedelta(hours=1)
grant = open_grant(driver=UUID(driver), watcher=UUID(rider), by=UUID(rider), ends_at=ends_at)
grant.watcher_id = str(grant.opened_by_id)
grant.save()
end_grant(grant, by=UUID(rider))
recheck([driver, UUID(rider)])
try:
    open_grant(driver=uuid4(), watcher=UUID(rider), ends_at=ends_at)
except InvalidGrant as error:
    result = [str(grant.ended_by_id), list(error.reasons)]
"""
    ids = {"driver": host.ids["driver"], "rider": host.ids["rider"]}
    assert await host.host(program, **ids) == [host.ids["rider"], ["driver"]]
