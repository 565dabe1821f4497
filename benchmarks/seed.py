"""Migrate a Django project's database and add the users of the benchmarks.

Run with DJANGO_SETTINGS_MODULE, and BENCHMARK_USERS="<drivers> <first rider's id> <riders>".
"""

import os
from typing import Any

import django
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import models


def main() -> None:
    """Create drivers, with ids from 1, and riders. None has a password: tokens are signed here."""
    drivers, first_rider, riders = map(int, os.environ["BENCHMARK_USERS"].split())
    django.setup()
    call_command("migrate", verbosity=0)
    model = get_user_model()
    roles = {
        "driver": range(1, drivers + 1),
        "rider": range(first_rider, first_rider + riders),
    }
    model._default_manager.bulk_create(
        [_user(model, user_id, role) for role, ids in roles.items() for user_id in ids],
        batch_size=1000,
    )


def _user(model: type[models.Model], user_id: int, role: str) -> Any:
    """Return an unsaved user of this project's model, or of Django's, without name and role."""
    known = {field.name for field in model._meta.fields}
    values = {
        "id": user_id,
        "password": "!",
        "email": f"user{user_id}@example.com",
        "username": f"user{user_id}",
        "name": f"User {user_id}",
        "role": role,
    }
    return model(**{name: value for name, value in values.items() if name in known})


if __name__ == "__main__":
    main()
