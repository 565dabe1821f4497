"""Authentication over HTTP: one answer per token at every endpoint, one format of refusal."""

import time

import jwt
import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from accounts.tokens import access_token_for
from tracking.models import DriverLocation

from ..fakes import NOON
from .problems import problem_members

pytestmark = pytest.mark.django_db

OLD_KEY = "an old key of thirty-two bytes or even more"


@pytest.fixture
def staff(settings):
    settings.TRACKING = settings.TRACKING | {"FALLBACK_KEYS": [OLD_KEY]}
    user = get_user_model().objects.create_superuser(email="staff@example.com", role="driver")
    DriverLocation.objects.create(
        driver=user, latitude=1, longitude=2, recorded_at=NOON, received_at=NOON
    )
    return user


def entrances(staff):
    return (
        "/driver/locations/",
        "/driver/grants/",
        "/driver/search/?q=staff",
        f"/driver/{staff.pk}/location/",
        "/trips/",
    )


def token(user, settings, key=None, **changes):
    """Return a token of the existing log-in, with the claims id, email, name, iat and exp only."""
    now = int(time.time())
    claims = {"id": user.pk, "email": user.email, "name": "", "iat": now, "exp": now + 60} | changes
    return jwt.encode(claims, key or settings.JWT_SIGNING_KEY, "HS256")


def ended(staff):
    """Return a token of a web session that has ended."""
    client = Client()
    client.force_login(staff)
    token = access_token_for(staff, client.session)
    client.logout()
    return token


TOKENS = {
    "an existing log-in's": (lambda staff, settings: token(staff, settings), 200),
    "signed with a key of before": (lambda staff, settings: token(staff, settings, OLD_KEY), 200),
    "from a clock that is ahead": (
        lambda staff, settings: token(staff, settings, iat=int(time.time()) + 5),
        200,
    ),
    "SimpleJWT's": (lambda staff, settings: access_token_for(staff), 200),
    "expired": (lambda staff, settings: token(staff, settings, exp=1), 401),
    "of a web session that ended": (lambda staff, settings: ended(staff), 401),
    "of nobody": (lambda staff, settings: token(staff, settings, id=999_999), 401),
    "no token": (lambda staff, settings: "x", 401),
}


@pytest.mark.parametrize("accept", ["application/json", "text/html", "image/png"])
@pytest.mark.parametrize("name", TOKENS)
def test_token_gets_the_same_answer_at_every_entrance(staff, settings, name, accept):
    make, status = TOKENS[name]
    client = Client(headers={"Authorization": f"Bearer {make(staff, settings)}", "Accept": accept})
    answers = [client.get(entrance) for entrance in entrances(staff)]
    assert [answer.status_code for answer in answers] == [status] * len(answers)
    if status != 200:
        problems = [problem_members(answer, status) for answer in answers]
        assert len({(problem["code"], problem["detail"]) for problem in problems}) == 1
        assert {answer["WWW-Authenticate"] for answer in answers} == {'Bearer realm="api"'}


def test_refusal_of_users_who_are_not_staff_has_the_same_format_at_every_entrance(staff, settings):
    driver = get_user_model().objects.create_user(email="driver@example.com", role="driver")
    client = Client(headers={"Authorization": f"Bearer {access_token_for(driver)}"})
    for entrance in entrances(staff)[:3]:
        problem_members(client.get(entrance), 403)
