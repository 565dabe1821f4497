"""The Python examples of docs/trips.md, executed in order."""

import re
from types import SimpleNamespace

import pytest
from django.dispatch import Signal

from tests.documents import DOCS
from tracking import signals, states, trips
from tracking.models import Event, Trip

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = (DOCS / "trips.md").read_text()
BLOCKS = re.findall(r"^```python\n(.+?)^```$", TEXT, re.MULTILINE | re.DOTALL)
CONNECT, FIND, WAYPOINTS, DRIVER, RECEIVER, CONFLICTS = BLOCKS
ENDS = [line for line in CONNECT.splitlines() if re.match(r"trips\.(complete|cancel)\(", line)]


@pytest.fixture
def names(new_user):
    """Return the names that the examples take for granted."""
    places = eval(WAYPOINTS)
    ride = SimpleNamespace(
        pk=7, rider=new_user("rider"), driver=new_user("driver"), places=lambda: places
    )
    return {"ride": ride, "trips": trips}


def run(block, names, *, without=()):
    lines = [line for line in block.splitlines() if line not in without]
    exec("\n".join(lines), names)


def test_there_are_five_lines():
    lines = [line for line in CONNECT.splitlines() if "trips." in line]
    assert len(lines) == 5
    assert len(ENDS) == 2


@pytest.mark.parametrize(("end", "status"), [(0, "complete"), (1, "canceled")])
def test_five_lines_lead_a_trip_through_its_life(names, end, status):
    run(CONNECT, names, without=[ENDS[1 - end]])
    names.pop("tracked")
    run(FIND, names)
    trip = names["tracked"]
    assert (trip.status, trip.driver) == (status, names["ride"].driver)
    assert [each["kind"] for each in trip.waypoints] == ["pickup", "stop", "dropoff"]
    statuses = list(trip.changes.order_by("version").values_list("status", flat=True))
    assert statuses == ["new", "new", "arrived_at_pickup", status]


def test_line_for_the_drivers_app_goes_forward(names):
    run(CONNECT, names, without=ENDS)
    run(DRIVER, names)
    assert Trip.objects.get().status == "enroute_to_dropoff"


def test_receiver_gets_each_change(names, monkeypatch, capsys):
    # A signal of its own, so that the receiver of the example ends with the test.
    occurred = Signal()
    monkeypatch.setattr(signals, "event_occurred", occurred)
    run(RECEIVER, names)
    run(CONNECT, names, without=ENDS[:1])
    pk = names["tracked"].pk
    events = Event.objects.order_by("trip", "sequence")
    for event in events:
        occurred.send(Event, event=event)
    statuses = ["new", "new", "arrived_at_pickup", "canceled"]
    assert capsys.readouterr().out.splitlines() == [
        f"{pk} {status} {previous}"
        for previous, status in zip([None, *statuses], statuses, strict=False)
    ]
    assert {event.type for event in events} == {"trip.status_changed", "driver.state_changed"}


def test_conflicts_are_told_apart(names, new_user):
    run(CONNECT, names, without=ENDS)
    taken_by = trips.assign(names["tracked"], None)
    other = trips.create(reference="T-8", driver=names["ride"].driver)
    run(CONFLICTS, names)
    assert names["message"] == "Trip T-8 has this driver."
    trips.cancel(other)
    states.set_state(names["ride"].driver, "non_operational")
    run(CONFLICTS, names)
    assert "is not available, but off duty" in names["message"]
    trips.cancel(taken_by)
    run(CONFLICTS, names)
    assert names["message"] == "This trip has ended: create another one."


def test_every_conflict_is_in_the_table():
    kinds = {kind.__name__: kind for kind in trips.TripConflict.__subclasses__()}
    rows = re.findall(r"^\| `(\w+)` \| (.*?)\|", TEXT.partition("## Conflicts")[2], re.MULTILINE)
    found = {name: re.findall(r"`(\w+)`", attributes) for name, attributes in rows}
    assert {name: found[name] for name in kinds} == {
        "DriverTaken": ["driver_id", "trip"],
        "DriverUnavailable": ["driver_id", "state"],
        "TripOver": ["trip"],
        "TripChanged": ["trip"],
        "StatusConflict": [],
    }
    # Over HTTP.
    assert {kind.code for kind in kinds.values()} | {"state_conflict"} <= found.keys()
