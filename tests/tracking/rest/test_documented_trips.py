"""The calls and the examples of docs/trips.md, over HTTP."""

import json
import re

import pytest
from django.contrib.auth import get_user_model

from tracking.rest import throttling

from ...documents import DOCS
from .callers import new_caller
from .staff import permitted

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = (DOCS / "trips.md").read_text()
HTTP = TEXT.partition("## Over HTTP")[2]
BODY, TRIP, STATE = map(json.loads, re.findall(r"^```json\n(.+?)^```$", HTTP, re.M | re.S))
CALLS = re.findall(r"`(GET|PUT|POST) (/[^` ]*)`", HTTP.partition("\n```json")[0])
BODIES = {
    "/trips/": {"riders": [22]},
    "/trips/7/assign/": {"driver": 19},
    "/trips/7/status/": {"status": "arrived_at_pickup"},
    "/driver/19/state/": {"state": "available"},
}
TIMES = ("created_at", "assigned_at", "since")


@pytest.fixture
def staff(db):
    caller = new_caller("dispatcher")
    permitted(
        caller.pk,
        *(f"{verb}_trip" for verb in ("view", "add", "change")),
        *(f"{verb}_driverstate" for verb in ("view", "change")),
        "view_driverlocation",
        "view_historyfix",
    )
    return caller


@pytest.fixture
def people(db):
    users = get_user_model().objects
    users.create_user(pk=19, email="ada@example.com", name="Ada Baker", role="driver")
    users.create_user(pk=22, email="jonh@gmail.com", role="rider")


def timeless(answer):
    """Return the answer with the number of the trip in the document, and without its times."""
    numbers = {name: 7 for name in ("id", "trip") if name in answer}
    return answer | numbers | {name: "" for name in TIMES if name in answer}


def test_documented_trip_and_state_are_what_is_sent(staff, people):
    created = staff.post("/trips/", BODY)
    assert created.status_code == 201
    answer = created.json()
    assert list(answer) == list(TRIP)
    assert timeless(answer) == timeless(TRIP)
    state = staff.get("/driver/19/state/").json()
    assert list(state) == list(STATE)
    assert timeless(state) == timeless(STATE)
    # In the same form as documented.
    form = re.sub(r"\d", "0", TRIP["created_at"])
    assert {re.sub(r"\d", "0", each) for each in (answer["created_at"], state["since"])} == {form}


def test_there_are_calls():
    assert len(CALLS) >= 11


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_documented_call_is_answered(staff, people, method, path):
    trip = staff.post("/trips/", BODY).json()["id"]
    if path == "/driver/19/state/":
        staff.post(f"/trips/{trip}/cancel/")
    target = path.replace("/7/", f"/{trip}/").replace("status=…&reference=…", "status=new")
    if "nearby" in path:
        target = target.replace("lat=…", "lat=-2.31").replace("lon=…", "lon=2.45")
    body = BODIES.get(path, {})
    call = {"GET": staff.get, "PUT": staff.put, "POST": staff.post}[method]
    response = call(target) if method == "GET" else call(target, body)
    assert response.status_code == (201 if (method, path) == ("POST", "/trips/") else 200)


def test_every_rate_limit_is_named():
    rest = (DOCS / "rest.md").read_text()
    scopes = {
        kind.scope
        for kind in vars(throttling).values()
        if isinstance(kind, type) and hasattr(kind, "default_rate")
    }
    assert "trips" in scopes
    assert {scope for scope in scopes if f"`{scope}`" not in rest} == set()
