"""Users of trips, as in the tests of trips."""

from ..trips.conftest import new_user as new_user
