"""The demo's users. Their passwords are public, so no other database may hold them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission
from django.core.management.base import CommandError
from django.core.management.color import no_style
from django.db import connection, transaction

from accounts.models import User
from ridehail.demo.names import DRIVERS, RIDERS

PASSWORD: Final = "demo"  # noqa: S105, printed by the demo

ADMIN_ID, DISPATCHER_ID, DRIVER_ID, RIDER_ID = 1, 2, 19, 22
FIRST_OTHER_DRIVER_ID: Final = 101
FIRST_OTHER_RIDER_ID: Final = 1001
DOMAIN: Final = "@demo.example"
# Of the app `tracking`.
DISPATCHERS_PERMISSIONS: Final = (
    "view_driverlocation",
    "view_trip",
    "add_trip",
    "change_trip",
    "view_driverstate",
    "change_driverstate",
    "view_historyfix",
)


@dataclass(frozen=True)
class DemoAccounts:
    """The four users that the demo prints, and the ids of all its drivers."""

    admin: User
    dispatcher: User
    rider: User
    driver: User
    driver_ids: list[int]

    @property
    def driver_count(self) -> int:
        return len(self.driver_ids)


def seed() -> DemoAccounts:
    """Create the demo's users that are missing, reset the others, and return them.

    Raises CommandError in a database that has users, but not the demo's administrator: accounts
    with public passwords must not be added to it.
    """
    admin_email = "admin@demo.example"
    if User.objects.exists() and not User.objects.filter(email=admin_email).exists():
        raise CommandError(
            "This database already has users, and the passwords of the demo's accounts are public. "
            "Use another database for the demo, for example: "
            "DATABASE_URL=sqlite:///demo.sqlite3 make demo"
        )
    # One hash for all users: a slow hash for each would take half a minute.
    hashed = make_password(PASSWORD)
    with transaction.atomic():
        admin = _user(ADMIN_ID, admin_email, "Ada Harbour", "dispatcher", hashed, is_superuser=True)
        dispatcher = _user(
            DISPATCHER_ID, "dispatcher@demo.example", "Dora Keel", "dispatcher", hashed
        )
        dispatcher.user_permissions.add(
            *Permission.objects.filter(
                content_type__app_label="tracking", codename__in=DISPATCHERS_PERMISSIONS
            )
        )
        rider = _user(RIDER_ID, "jonh@gmail.com", "Jonh", "rider", hashed)
        # The rider watches the first driver; the others are there to fill the map.
        driver = _user(DRIVER_ID, _email(DRIVERS[0]), DRIVERS[0], "driver", hashed)
        others = _many(FIRST_OTHER_DRIVER_ID, DRIVERS[1:], "driver", hashed)
        _many(FIRST_OTHER_RIDER_ID, RIDERS, "rider", hashed)
        _number_new_users_after_these()
    return DemoAccounts(admin, dispatcher, rider, driver, [driver.pk, *others])


def _email(name: str) -> str:
    return name.lower().replace(" ", ".") + DOMAIN


def _many(first: int, names: Sequence[str], role: str, hashed: str) -> list[int]:
    """Create or reset users with ids from `first` on, and return their ids.

    In a database of an older demo, which had fewer users, somebody else may have an id.
    """
    known = {user.email: user for user in User.objects.filter(email__endswith=DOMAIN)}
    taken = set(User.objects.values_list("pk", flat=True))
    free = max(taken) + len(taken)
    missing, ids = [], []
    for pk, name in enumerate(names, first):
        email = _email(name)
        if (user := known.get(email)) is None:
            free += 1
            wanted = {"email": email, "name": name, "role": role, "password": hashed}
            user = User(pk=free if pk in taken else pk, **wanted)
            missing.append(user)
        elif (user.name, user.role, user.is_active, user.is_staff) != (name, role, True, False):
            _user(user.pk, email, name, role, hashed)
        ids.append(user.pk)
    User.objects.bulk_create(missing)
    return ids


def _user(
    pk: int, email: str, name: str, role: str, hashed: str, *, is_superuser: bool = False
) -> User:
    """Create or reset the user with the id `pk`, and return it. An existing password is kept."""
    user, _ = User.objects.update_or_create(
        pk=pk,
        defaults={
            "email": email,
            "name": name,
            "role": role,
            "is_active": True,
            "is_staff": role == User.Role.DISPATCHER,
            "is_superuser": is_superuser,
        },
    )
    # Keep an existing hash: a new one would log out all sessions of the user.
    if not user.password:
        user.password = hashed
        user.save(update_fields=["password"])
    return user


def _number_new_users_after_these() -> None:
    """Move PostgreSQL's id sequence past the ids that were given explicitly."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [User]):
            cursor.execute(statement)
