"""The cars of the demo's drivers: what riders read, and what a search for a type of car finds."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from django.db import transaction

from tracking import states
from tracking.ids import DriverId
from tracking.models import DriverState, State

VAN: Final = "van"
_COLOURS: Final = ("white", "silver", "black", "blue", "red", "grey", "green")
_MODELS: Final = ("Prius", "Corolla", "Octavia", "Golf", "Leaf", "Ioniq", "Model 3", "Logan")
_VAN_MODELS: Final = ("Caddy", "Transit", "Vito")
_LETTERS: Final = "ABCDEFGHJKLMNPRSTUVWXYZ"
# One of so many drivers has a van.
_VAN_EVERY: Final = 8


class Car(NamedTuple):
    """A driver's car: "white Prius · AB 123", and its type."""

    description: str
    type: str


def car_of(driver_id: DriverId) -> Car:
    """Return the made-up car of a driver, always the same one."""
    number = int(driver_id)
    is_van = number % _VAN_EVERY == 0
    models = _VAN_MODELS if is_van else _MODELS
    # Multiplied by primes, so that neighbours look different.
    colour = _COLOURS[number * 5 % len(_COLOURS)]
    model = models[number * 11 % len(models)]
    first, second = (_LETTERS[number * prime % len(_LETTERS)] for prime in (7, 13))
    plate = f"{first}{second} {100 + number * 389 % 900}"
    return Car(f"{colour} {model} · {plate}", VAN if is_van else "car")


def register_cars(driver_ids: Sequence[int]) -> None:
    """Store the types of the cars of drivers who have no state yet: they are off duty until their
    phones begin a shift.
    """
    with transaction.atomic():
        known = DriverState.objects.filter(pk__in=driver_ids).values_list("pk", flat=True)
        for driver_id in sorted(set(driver_ids) - set(known)):
            states.set_state(driver_id, State.NON_OPERATIONAL, vehicle_type=car_of(driver_id).type)
