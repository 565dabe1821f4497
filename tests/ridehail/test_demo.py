import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path
from queue import Queue
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone
from websockets.sync.client import connect

from accounts.models import User
from ridehail.demo.accounts import DRIVERS, PASSWORD, seed
from ridehail.demo.cars import car_of, register_cars
from ridehail.demo.trip import keep_trip
from ridehail.demo.welcome import welcome
from ridehail.management.commands.tracking_simulate import DISPATCH_PERMISSIONS
from tracking import states, trips
from tracking.models import DriverState, DriverStateChange, Trip, TripChange, WatchGrant
from tracking.permissions import watches

DEADLINE = 60


@pytest.mark.django_db
def test_the_accounts_are_those_of_the_documentation():
    accounts = seed()
    assert (accounts.rider.pk, accounts.rider.email, accounts.rider.name, accounts.rider.role) == (
        22,
        "jonh@gmail.com",
        "Jonh",
        "rider",
    )
    assert (accounts.driver.pk, accounts.driver.role) == (19, "driver")
    assert accounts.admin.is_superuser
    assert accounts.dispatcher.has_perm("tracking.view_driverlocation")
    assert not accounts.dispatcher.has_perm("tracking.change_driverlocation")
    assert User.objects.filter(role="driver").count() == accounts.driver_count == len(DRIVERS)
    for user in (accounts.admin, accounts.dispatcher, accounts.rider, accounts.driver):
        assert user.check_password(PASSWORD)


@pytest.mark.django_db
def test_seeding_again_changes_nothing_and_repairs_what_was_changed():
    seed()
    before = list(User.objects.order_by("pk").values())
    User.objects.filter(pk=19).update(is_active=False)
    seed()
    assert list(User.objects.order_by("pk").values()) == before


@pytest.mark.django_db
def test_users_made_after_the_demos_get_ids_of_their_own():
    seed()
    user = User.objects.create_user(email="new@example.com", name="New")
    assert user.pk > max(User.objects.exclude(pk=user.pk).values_list("pk", flat=True))
    seed()
    assert User.objects.filter(pk=user.pk, email="new@example.com").exists()


@pytest.mark.django_db
def test_a_user_who_has_the_id_of_a_later_demos_user_is_left_alone():
    seed()
    User.objects.filter(pk=150).delete()
    own = User.objects.create_user(email="own@example.com", name="Own", pk=150)
    for _ in range(2):
        accounts = seed()
        own.refresh_from_db()
        assert own.email == "own@example.com"
        assert len(set(accounts.driver_ids)) == len(DRIVERS)
        assert User.objects.filter(role="driver").count() == len(DRIVERS)


@pytest.mark.django_db
def test_the_dispatcher_may_dispatch_and_no_more():
    dispatcher = seed().dispatcher
    assert dispatcher.has_perms(DISPATCH_PERMISSIONS)
    assert dispatcher.has_perms(
        ["tracking.view_driverstate", "tracking.change_driverstate", "tracking.view_historyfix"]
    )
    assert not dispatcher.has_perm("accounts.change_user")
    assert not dispatcher.has_perm("tracking.delete_historyfix")


@pytest.mark.django_db
def test_the_drivers_cars_are_registered_once_and_some_are_vans():
    accounts = seed()
    for _ in range(2):
        register_cars(accounts.driver_ids)
    types = Counter(DriverState.objects.values_list("vehicle_type", flat=True))
    assert types.keys() == {"car", "van"}
    assert types.total() == len(DRIVERS)
    assert 5 <= types["van"] <= 20
    assert DriverStateChange.objects.count() == len(DRIVERS)


def test_a_car_is_described_as_riders_read_it():
    cars = {car_of(driver_id) for driver_id in [19, *range(101, 200)]}
    assert all(re.fullmatch(r"\w+ [\w ]+ · [A-Z]{2} [1-9]\d\d", car.description) for car in cars)
    assert len({car.description for car in cars}) == 100
    assert car_of(19) == car_of(19)


DAY = timedelta(days=1)


def keep(accounts, lasting=DAY / 2):
    return keep_trip(accounts.driver, accounts.rider, lasting)


@pytest.mark.django_db
def test_the_rider_has_a_trip_with_the_driver_and_may_watch_under_either_policy(settings):
    accounts = seed()
    register_cars(accounts.driver_ids)
    trip = keep(accounts)
    assert (trip.driver_id, trip.ended_at) == (19, None)
    assert list(trip.riders.values_list("pk", flat=True)) == [22]
    kinds = [waypoint["kind"] for waypoint in trip.waypoints]
    assert kinds[0] == "pickup"
    assert kinds[-1] == "dropoff"
    assert set(kinds[1:-1]) == {"stop"}
    assert len({waypoint["name"] for waypoint in trip.waypoints}) == len(kinds)
    for policy, other in (("any_authenticated", True), ("granted", False)):
        settings.TRACKING = {"WATCH_POLICY": f"tracking.permissions.{policy}"}
        assert watches(accounts.rider, 19, accounts.driver)
        stranger = User.objects.get(email="agnes.bellamy@demo.example")
        assert watches(stranger, 19, accounts.driver) is other


@pytest.mark.django_db
def test_the_riders_trip_is_kept_and_its_grant_renewed_in_time():
    accounts = seed()
    trip = keep(accounts)
    assert keep(accounts) == trip
    assert TripChange.objects.count() == 1
    old = WatchGrant.objects.get()
    WatchGrant.objects.update(ends_at=timezone.now() + DAY / 3)
    assert keep(accounts) == trip
    (new,) = WatchGrant.objects.filter(ended_at=None)
    assert new.pk != old.pk
    assert new.ends_at > timezone.now() + DAY * 0.9
    assert Trip.objects.count() == 1
    assert states.state_of(19).trip_id == trip.pk


@pytest.mark.django_db
@pytest.mark.parametrize("end", [trips.complete, trips.cancel])
def test_the_riders_trip_is_made_anew_once_somebody_has_ended_it(end):
    accounts = seed()
    former = keep(accounts)
    end(former)
    states.set_state(19, "non_operational")
    trip = keep(accounts)
    assert trip != former
    assert trip.ended_at is None
    assert trip.driver_id == 19


@pytest.mark.django_db
def test_another_trip_of_the_driver_makes_room_for_the_riders():
    accounts = seed()
    register_cars(accounts.driver_ids)
    states.set_state(19, "available")
    other = trips.create(riders=[User.objects.get(pk=1001)], driver=19)
    trip = keep(accounts)
    other.refresh_from_db()
    assert other.status == "canceled"
    assert trip.driver_id == 19


@pytest.mark.django_db
def test_a_database_with_users_of_its_own_gets_no_accounts_with_known_passwords():
    User.objects.create_user(email="real@example.com", name="Real")
    with pytest.raises(CommandError, match="already has users"):
        seed()
    assert User.objects.count() == 1


def test_the_demo_refuses_to_run_with_debug_off(settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="only runs with DEBUG on"):
        call_command("demo")


@pytest.mark.parametrize("speed", [0.0, -1.0, float("inf"), float("nan")])
def test_a_speed_that_is_none_is_refused(settings, speed):
    settings.DEBUG = True
    with pytest.raises(CommandError, match="--speed must be"):
        call_command("demo", speed=speed)


def test_a_port_in_use_is_named_with_a_remedy(settings):
    settings.DEBUG = True  # the test runner turns it off
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=rf"Port {port} .*--port"):
            call_command("demo", port=port)


@pytest.mark.django_db
@pytest.mark.parametrize("idle_driver", [False, True])
def test_the_welcome_says_whether_the_driver_moves_by_itself(idle_driver):
    text = welcome(seed(), 3002, "demo.log", "Times of arrival: none.", idle_driver=idle_driver)
    assert "\nTimes of arrival: none.\n" in text
    assert ("doesn't move until" in text) is idle_driver
    assert ("--idle-driver" in text) is not idle_driver
    assert "ws://localhost:3002/driver/get-tracking?userId=19" in text
    assert "ws://localhost:3002/driver/set-tracking?userId=19" in text


class Demo:
    """`manage.py demo` on a free port, and the lines that it prints."""

    def __init__(self, directory):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.database = f"sqlite:///{quote(str(directory / 'demo.sqlite3'))}"
        self.process = subprocess.Popen(
            [sys.executable, settings.BASE_DIR / "manage.py", "demo", f"--port={self.port}"],
            env={**os.environ, "DATABASE_URL": self.database, "REDIS_URL": "", "DEBUG": "on"},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines = Queue()
        self.text = ""
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def until(self, pattern):
        """Return the match of the first line that matches the pattern."""
        while True:
            line = self.lines.get(timeout=DEADLINE)
            self.text += line
            assert line, f"the demo ended:\n{self.text}"
            if found := re.search(pattern, line):
                return found

    def stop(self, number):
        self.process.send_signal(number)
        code = self.process.wait(DEADLINE)
        self.reader.join(DEADLINE)
        self.process.stdout.close()
        while line := self.lines.get(timeout=DEADLINE):
            self.text += line
        return code

    def processes(self):
        """Yield ids and command lines of the demo's running processes, found by its database.

        The digits of its port may also be in another process's command line.
        """
        variable = f"DATABASE_URL={self.database}".encode()
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                environment = (directory / "environ").read_bytes().split(b"\0")
                command = (directory / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if variable in environment:
                yield int(directory.name), command


def test_the_demo_shows_a_moving_driver_and_leaves_nothing_behind_twice_in_a_row(tmp_path):
    directory = tmp_path / "a path with a space"
    directory.mkdir()
    for number in (signal.SIGINT, signal.SIGTERM):
        demo = Demo(directory)
        try:
            token = demo.until(r'token: "([^"]+)", command: "start"').group(1)
            demo.until(r"acknowledged [1-9]")
            url = f"ws://127.0.0.1:{demo.port}/driver/get-tracking?userId=19"
            with connect(url, proxy=None) as watcher:
                watcher.send(
                    json.dumps(
                        {"type": "authenticate", "payload": {"token": token, "command": "start"}}
                    )
                )
                frames = [json.loads(watcher.recv(timeout=DEADLINE)) for _ in range(3)]
        finally:
            code = demo.stop(number)
        assert code == 0, demo.text
        assert "Traceback" not in demo.text
        assert demo.text.rstrip().endswith("The demo has stopped.")
        assert not list(demo.processes())
        assert len({frame["location_lat"] + frame["location_lon"] for frame in frames}) > 1


def call(demo, path, token=None, data=None):
    request = Request(
        f"http://127.0.0.1:{demo.port}{path}",
        data=json.dumps(data).encode() if data else None,
        headers={
            "Content-Type": "application/json",
            **({"Authorization": f"Bearer {token}"} if token else {}),
        },
    )
    with urlopen(request, timeout=DEADLINE) as response:
        return json.load(response)


@pytest.mark.long
def test_the_demos_fleet_has_live_stale_and_offline_drivers_with_all_that_phones_measure(tmp_path):
    demo = Demo(tmp_path)
    try:
        demo.until(r"acknowledged [1-9]")
        log_in = {"email": "dispatcher@demo.example", "password": PASSWORD}
        token = call(demo, "/accounts/token/", data=log_in)["access"]
        for _ in range(12):
            # The simulator prints its next line within five seconds.
            demo.until(r"acknowledged [1-9]")
            fleet = call(demo, "/driver/locations/", token)["results"]
            statuses = Counter(driver["status"] for driver in fleet)
            if statuses["stale"] == statuses["offline"] == 4:
                break
    finally:
        demo.stop(signal.SIGTERM)
    assert statuses == {"live": len(DRIVERS) - 8, "stale": 4, "offline": 4}
    assert {driver["userId"]: driver["status"] for driver in fleet}[19] == "live"
    for driver in fleet:
        assert 0 <= driver["heading"] < 360
        assert 0 <= driver["speed"] < 17
        assert 3 < driver["accuracy"] < 11


@pytest.mark.long
def test_the_demo_ends_with_its_server(tmp_path):
    demo = Demo(tmp_path)
    try:
        demo.until(r"acknowledged [1-9]")
        (server,) = [number for number, command in demo.processes() if "runserver" in command]
        os.kill(server, signal.SIGKILL)
        assert demo.process.wait(DEADLINE) == 1
    finally:
        demo.stop(signal.SIGTERM)
    assert "The server stopped unexpectedly" in demo.text
    assert not list(demo.processes())
