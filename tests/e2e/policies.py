"""Policies that a host project may name, right or wrong."""


def mistaken(user, driver_id):
    """A programming error."""
    raise ZeroDivisionError
