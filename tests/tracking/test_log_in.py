"""One rule lets users log in, with every kind of token."""

import pytest
from django.contrib.auth import get_user_model

from tracking.access.tokens import load_users
from tracking.models import Device

pytestmark = pytest.mark.django_db


def everybody(user):
    return True


def not_banned(user):
    return user.is_active and user.email != "banned@example.com"


def accepted(user):
    """Return True for each kind of token of the user that is accepted: access tokens, devices."""
    token = Device.objects.issue(user, "phone").token
    return user.pk in load_users([user.pk]), Device.objects.authenticate(token) is not None


@pytest.mark.parametrize(
    ("rule", "email", "is_active", "expected"),
    [
        ("not_banned", "driver@example.com", True, True),
        ("not_banned", "banned@example.com", True, False),
        ("everybody", "driver@example.com", False, False),
        ("everybody", "driver@example.com", True, True),
    ],
)
def test_a_rule_of_the_host_holds_for_every_kind_of_token(
    settings, rule, email, is_active, expected
):
    settings.SIMPLE_JWT = settings.SIMPLE_JWT | {"USER_AUTHENTICATION_RULE": f"{__name__}.{rule}"}
    user = get_user_model().objects.create_user(email=email, role="driver", is_active=is_active)
    assert accepted(user) == (expected, expected)
