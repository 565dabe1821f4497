from pathlib import Path

import pytest
from django.conf import settings


def pytest_unconfigure():
    """Remove what SQLite leaves beside a database that Django removed while threads had it open."""
    name = settings.DATABASES["default"].get("TEST", {}).get("NAME")
    for suffix in ("-shm", "-wal"):
        if name:
            Path(f"{name}{suffix}").unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def _fast_passwords(settings):
    """The real hash takes its time on purpose, and no test is about that."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
