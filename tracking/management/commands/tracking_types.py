"""`manage.py tracking_types`: print the TypeScript declarations of the server's frames."""

from typing import Any

from django.core.management.base import BaseCommand

from tracking.asyncapi import declarations


class Command(BaseCommand):
    help = "Prints the types of the server's frames as TypeScript declarations."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(declarations(), ending="")
