"""Drivers and their locations in the database."""

from django.contrib.auth import get_user_model

from tracking.pipeline.rows import load_snapshots

# An id that no user has.
FAR_AWAY = 2**62


def drivers(count):
    """Create drivers and return their ids."""
    users = [
        get_user_model()(email=f"driver{number}@example.com", role="driver")
        for number in range(count)
    ]
    return [user.pk for user in get_user_model().objects.bulk_create(users)]


def stored(driver_id):
    return load_snapshots([driver_id]).get(driver_id)
