"""The demo's users. Their passwords are public, so no other database may hold them."""

from dataclasses import dataclass
from typing import Final

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission
from django.core.management.base import CommandError
from django.core.management.color import no_style
from django.db import connection, transaction

from accounts.models import User

PASSWORD: Final = "demo"  # noqa: S105, printed by the demo

# Invented names. The rider watches the first driver; the others are there to fill the map.
DRIVERS: Final = (
    "Marlow Finch",
    "Ines Calder",
    "Tobias Wren",
    "Amara Holloway",
    "Jasper Quill",
    "Noor Lindqvist",
    "Delia Marsh",
    "Ruben Ashdown",
    "Yuki Thorne",
    "Leonie Barrow",
    "Cosmo Vane",
    "Petra Gale",
    "Idris Fenwick",
    "Saskia Rowe",
    "Emil Hawthorne",
    "Tamsin Brook",
    "Oskar Lyle",
    "Zadie Merritt",
    "Hugo Sterling",
    "Mirela Stone",
    "Kofi Ambrose",
    "Greta Winslow",
    "Anselm Pike",
    "Lucia Harrow",
    "Bram Kestrel",
    "Farah Linden",
    "Silas Orme",
    "Nadia Fairweather",
    "Otto Penrose",
    "Rosa Tindall",
    "Callum Dray",
    "Esme Lockwood",
    "Viktor Sallow",
    "Hana Birch",
    "Jonas Crewe",
    "Celeste Moor",
    "Dario Flint",
    "Wilma Harker",
    "Tariq Selby",
    "Astrid Vale",
    "Felix Underhill",
)

ADMIN_ID, DISPATCHER_ID, DRIVER_ID, RIDER_ID = 1, 2, 19, 22
FIRST_OTHER_DRIVER_ID: Final = 101


@dataclass(frozen=True)
class DemoAccounts:
    """The four users that the demo prints, and the number of all its drivers."""

    admin: User
    dispatcher: User
    rider: User
    driver: User
    driver_count: int


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
            Permission.objects.get(
                content_type__app_label="tracking", codename="view_driverlocation"
            )
        )
        rider = _user(RIDER_ID, "jonh@gmail.com", "Jonh", "rider", hashed)
        drivers = [
            _user(
                FIRST_OTHER_DRIVER_ID + number - 1 if number else DRIVER_ID,
                f"{name.lower().replace(' ', '.')}@demo.example",
                name,
                "driver",
                hashed,
            )
            for number, name in enumerate(DRIVERS)
        ]
        _number_new_users_after_these()
    return DemoAccounts(admin, dispatcher, rider, drivers[0], len(drivers))


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
