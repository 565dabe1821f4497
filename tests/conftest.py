import pytest


@pytest.fixture(autouse=True)
def _fast_passwords(settings):
    """The real hash takes its time on purpose, and no test is about that."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
