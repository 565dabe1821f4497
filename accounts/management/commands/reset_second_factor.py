from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import second_factor
from accounts.models import User


class Command(BaseCommand):
    help = "Remove a user's authenticator app and recovery codes, for example after a lost phone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="the e-mail address that the user logs in with")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        try:
            user = User.objects.get_by_natural_key(email)
        except User.DoesNotExist as error:
            raise CommandError(f"No user has the e-mail address {email}.") from error
        if not second_factor.has_device(user):
            raise CommandError(f"{user.email} has no second factor.")
        second_factor.reset(user)
        self.stdout.write(
            f"Second factor reset. {user.email} sets up a new one at the next log-in."
        )
