"""The demo's users. Their passwords are public, so no other database may hold them."""

from dataclasses import dataclass
from typing import Final

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission
from django.core.management.base import CommandError
from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.models import Max

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
        others = [
            _other(FIRST_OTHER_DRIVER_ID + number, name, "driver", hashed)
            for number, name in enumerate(DRIVERS[1:])
        ]
        for number, name in enumerate(RIDERS):
            _other(FIRST_OTHER_RIDER_ID + number, name, "rider", hashed)
        _number_new_users_after_these()
    return DemoAccounts(admin, dispatcher, rider, driver, [driver.pk, *(o.pk for o in others)])


def _email(name: str) -> str:
    return name.lower().replace(" ", ".") + DOMAIN


def _other(pk: int, name: str, role: str, hashed: str) -> User:
    """Create or reset one of the many users, and return it.

    In a database of an older demo, which had fewer users, somebody else may have the id.
    """
    email = _email(name)
    if (known := User.objects.filter(email=email).first()) is not None:
        pk = known.pk
    elif User.objects.filter(pk=pk).exclude(email__endswith=DOMAIN).exists():
        pk = 1 + User.objects.aggregate(last=Max("pk"))["last"]
    return _user(pk, email, name, role, hashed)


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
