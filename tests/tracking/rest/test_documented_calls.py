"""The calls and the example of the history in docs/rest.md."""

import json
import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from django.contrib.auth import get_user_model

from tracking.history.formats import geojson

from ...documents import DOCS
from ..history.tracks import track_fix
from .staff import permitted

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = (DOCS / "rest.md").read_text()
CALLS = re.findall(r'^    curl (?:-X ([A-Z]+) )?.*"(https:.+)"$', TEXT, re.MULTILINE)


def test_there_are_calls():
    assert len(CALLS) >= 6


@pytest.mark.parametrize(("method", "url"), CALLS)
def test_documented_call_is_answered_200(rest, driver, method, url):
    staff = get_user_model().objects.create_user(email="staff@example.com").pk
    permitted(staff, "view_historyfix", "delete_historyfix", "view_locationaccess")
    parts = urlsplit(url)
    path = parts.path.replace("/19/", f"/{driver}/")
    response = rest(method or "GET", f"{path}?{parts.query}", staff)
    assert response.status_code == 200


def test_documented_track_is_what_is_sent():
    (example,) = re.findall(r'^```json\n(\{"type": "Feature".+?)\n```$', TEXT, re.M | re.S)
    at = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)
    fixes = [
        track_fix(0, 60.1699, 24.9384, at=at, speed=2.5, heading=90.0, accuracy=4.0),
        track_fix(300, 60.1699, 24.9484, at=at, accuracy=12.5),
    ]
    found = json.loads(b"".join(geojson({"userId": 19}, [fixes])))
    assert found == json.loads(example)
