"""Policies that a host project may name, one of them with a bug."""


def mistaken(user, driver_id):
    """Fail with a programming error."""
    raise ZeroDivisionError
