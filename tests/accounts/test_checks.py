import pytest
from django.core import checks

from accounts.checks import check_keys
from accounts.keys import development_key

GOOD = {"SECRET_KEY": "s" * 32, "JWT_SIGNING_KEY": "j" * 32}


@pytest.fixture
def ids(settings):
    """Return a function that returns the ids of the checks that fail."""

    def ids(*, debug=False, **keys):
        settings.DEBUG = debug
        for name, key in (GOOD | keys).items():
            setattr(settings, name, key)
        messages = check_keys()
        assert not [key for key in keys.values() if key and key in str(messages)]
        return [message.id for message in messages]

    return ids


def test_good_keys_pass(ids):
    assert ids() == []


@pytest.mark.parametrize(
    ("name", "check_id"), [("SECRET_KEY", "accounts.E001"), ("JWT_SIGNING_KEY", "accounts.E002")]
)
@pytest.mark.parametrize("key", ["!short!", "k" * 31, None])
def test_short_and_known_keys_are_errors_in_production(ids, name, check_id, key):
    key = development_key(name) if key is None else key
    assert ids(**{name: key}) == [check_id]
    assert ids(debug=True, **{name: key}) == []


def test_check_is_registered_with_django():
    assert check_keys in checks.registry.registry.get_checks()
