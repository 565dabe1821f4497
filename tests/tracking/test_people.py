import pytest
from django.contrib.auth import get_user_model

from tracking.people import identity


def test_identity_is_the_name_and_below_it_the_contact():
    user = get_user_model()(name="Ines <Calder>", email="ines@example.org")
    below = '<span class="tracking-contact">ines@example.org</span>'
    assert identity(user) == f"Ines &lt;Calder&gt;{below}"


@pytest.mark.parametrize(
    "user",
    [
        get_user_model()(name="", email="<ines>@example.org"),
        get_user_model()(name="<ines>@example.org", email="<ines>@example.org"),
    ],
)
def test_identity_is_given_once_if_name_and_contact_are_the_same(user):
    assert identity(user) == "&lt;ines&gt;@example.org"
