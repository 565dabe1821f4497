"""The OpenAPI document describes the REST API; its page has the strict security headers."""

import json
import re

import msgspec
import pytest
from django.core.cache import cache
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from tracking.fix import Fix
from tracking.history.formats import geojson, ndjson
from tracking.protocol import Measurement, Verdict, details
from tracking.protocol.frames import Details, Verdicts
from tracking.rest.problems import Problem
from tracking.rest.states import StateDetails
from tracking.rest.tracks import FORMATS
from tracking.rest.trip_output import TripDetails

from ..tracking.fakes import NOON
from ..tracking.history.tracks import drive

METHODS = {"get", "put", "post", "patch", "delete"}


@pytest.fixture(autouse=True)
def _unthrottled():
    cache.clear()


@pytest.fixture
def schema(client):
    response = client.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"})
    assert response.status_code == 200
    return json.loads(response.content)


def test_document_is_valid_and_nothing_had_to_be_guessed():
    GENERATOR_STATS.reset()
    document = SchemaGenerator().get_schema(public=True)
    assert not GENERATOR_STATS
    validate_schema(document)
    assert document["openapi"] == "3.1.1"


def test_document_is_yaml_unless_json_is_asked_for(client):
    response = client.get("/api/schema/")
    assert response["Content-Type"].startswith("application/vnd.oai.openapi")
    assert response.content.startswith(b"openapi: 3.1.1")


def test_every_call_is_named_and_says_who_may_make_it(schema):
    for path, calls in schema["paths"].items():
        for method, call in calls.items():
            assert call["summary"], path
            assert method in METHODS
            assert "_" in call["operationId"]
            assert call.get("security") or path.startswith("/accounts/token/")


def test_every_rest_view_is_in_the_document(schema):
    documented = {re.sub(r"\{\w+\}", "{}", path) for path in schema["paths"]}
    for path in (
        "/accounts/token/",
        "/accounts/token/refresh/",
        "/accounts/token/session/",
        "/driver/{}/location/",
        "/driver/{}/locations/",
        "/driver/locations/",
        "/driver/{}/track/",
        "/driver/{}/export/",
        "/fleet/at/",
        "/fleet/drivers/",
        "/fleet/drivers/{}/",
        "/fleet/filters/",
        "/fleet/alerts/",
        "/fleet/alerts/{}/acknowledge/",
        "/driver/report/owntracks/",
        "/driver/report/osmand/",
        "/driver/grants/",
        "/driver/grants/{}/",
        "/driver/grants/{}/end/",
        "/driver/{}/state/",
        "/driver/nearby/",
        "/trips/",
        "/trips/{}/",
        "/trips/{}/assign/",
        "/trips/{}/status/",
        "/trips/{}/complete/",
        "/trips/{}/cancel/",
        "/webhooks/",
        "/webhooks/{}/",
        "/webhooks/{}/rotate/",
        "/webhooks/{}/test/",
        "/webhooks/{}/enable/",
        "/webhooks/{}/disable/",
        "/webhooks/{}/deliveries/",
        "/webhooks/{}/deliveries/{}/redeliver/",
    ):
        assert path in documented


def test_location_has_the_keys_of_details(schema):
    location = schema["components"]["schemas"]["Location"]
    answer = details(Fix(19, 1, 2, NOON, NOON), "live")
    assert list(location["properties"]) == list(answer)
    assert set(location["required"]) == set(answer)


def test_answers_are_described_by_the_types_that_they_are_made_from(schema):
    components = schema["components"]["schemas"]
    for kind in (Verdict, Verdicts, Problem):
        assert tuple(components[kind.__name__]["properties"]) == kind.__struct_fields__
    found = msgspec.json.schema(Details)["$defs"]["Details"]
    assert components["Location"]["required"] == found["required"]
    for name, content in found["properties"].items():
        if name != "status":  # whose values drf-spectacular makes a component of
            assert components["Location"]["properties"][name] == content


def test_trips_and_states_are_described_by_the_types_that_they_are_made_from(schema):
    components = schema["components"]["schemas"]
    for kind in (TripDetails, StateDetails):
        assert tuple(components[kind.__name__]["properties"]) == kind.__struct_encode_fields__
    for path, calls in schema["paths"].items():
        if path.startswith("/trips/{id}/"):
            for call in calls.values():
                content = call["responses"]["200"]["content"]["application/json"]["schema"]
                assert content == {"$ref": "#/components/schemas/TripDetails"}


def test_waypoints_of_a_new_trip_are_described(schema):
    components = schema["components"]["schemas"]
    waypoints = components["CreateTrip"]["properties"]["waypoints"]
    assert waypoints["items"] == {"$ref": "#/components/schemas/GivenWaypoint"}
    waypoint = components["GivenWaypoint"]
    radii = ["arriving_radius", "arrived_radius"]
    assert list(waypoint["properties"]) == ["kind", "lat", "lon", "name", *radii]
    assert waypoint["required"] == ["kind", "lat", "lon"]


def test_end_of_a_trip_needs_no_body(schema):
    for action in ("complete", "cancel"):
        call = schema["paths"][f"/trips/{{id}}/{action}/"]["post"]
        assert not call["requestBody"].get("required")


def test_request_has_the_keys_and_bounds_of_a_measurement(schema):
    put = schema["paths"]["/driver/{driver_id}/location/"]["put"]
    sent = put["requestBody"]["content"]["application/json"]["schema"]
    assert tuple(sent["properties"]) == Measurement.__struct_fields__
    assert sent["required"] == ["lat", "lon"]
    assert sent["properties"]["heading"]["anyOf"][0]["exclusiveMaximum"] == 360


def test_errors_are_problem_details(schema):
    calls = schema["paths"]["/driver/{driver_id}/location/"]
    for status in ("401", "403", "404", "429", "503"):
        assert list(calls["get"]["responses"][status]["content"]) == ["application/problem+json"]


def test_document_has_one_spelling_of_each_path(schema):
    assert [path for path in schema["paths"] if not path.endswith("/")] == []


def test_document_is_throttled(client, monkeypatch):
    # Each document takes more than half a second.
    monkeypatch.setattr(SchemaGenerator, "get_schema", lambda *_args, **_options: {})
    answers = [client.get("/api/schema/").status_code for _ in range(31)]
    assert answers == [200] * 30 + [429]


@pytest.mark.parametrize(
    ("path", "name", "own"),
    [
        ("/driver/{driver_id}/track/", "Track", {"userId": 19}),
        (
            "/trips/{trip_id}/track/",
            "TripTrack",
            {"tripId": 7, "reference": "T-7", "drivers": [], "duration": 1.0, "matched": None},
        ),
    ],
)
def test_tracks_are_described_as_they_are_sent(schema, path, name, own):
    content = schema["paths"][path]["get"]["responses"]["200"]["content"]
    assert [kind.partition(";")[0] for kind in FORMATS.values()] == list(content)
    feature = json.loads(b"".join(geojson(own, [drive(300)])))
    components = schema["components"]["schemas"]
    assert list(components[name]["properties"]) == list(feature)
    properties = components[f"{name}Properties"]
    assert properties["required"] == list(feature["properties"])
    with_phone = json.loads(b"".join(geojson(own, [drive(300)], with_phone=True)))
    assert list(properties["properties"]) == list(with_phone["properties"])
    (line,) = ndjson(19, drive(1))
    assert list(components["TrackPoint"]["properties"]) == list(json.loads(line))
