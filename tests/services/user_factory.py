"""The program of `create_users`: users as JSON on stdin, their tokens on stdout."""

import json
import sys

import django

django.setup()

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX  # noqa: E402
from django.core.management.color import no_style  # noqa: E402
from django.db import connection  # noqa: E402

from accounts.models import User  # noqa: E402
from accounts.tokens import access_token_for  # noqa: E402


def main() -> None:
    users = []
    for fields in json.load(sys.stdin):
        password = fields.pop("password", None)
        user = User(**fields)
        user.set_password(password)
        if password is None:
            # Without Django's random suffix: benchmarks sign tokens that name the stored password.
            user.password = UNUSABLE_PASSWORD_PREFIX
        users.append(user)
    # In one transaction: a commit for each of thousands of users takes long.
    columns = [field.name for field in User._meta.concrete_fields if not field.primary_key]
    User.objects.bulk_create(
        users, update_conflicts=True, unique_fields=["id"], update_fields=columns
    )
    # The ids were explicit, so PostgreSQL's sequence must be set beyond them.
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [User]):
            cursor.execute(statement)
    json.dump({user.pk: access_token_for(user) for user in users}, sys.stdout)


if __name__ == "__main__":
    main()
