"""`manage.py tracking_types`: the frames of the server, for TypeScript."""

from typing import Any

from django.core.management.base import BaseCommand

from tracking.asyncapi import declarations


class Command(BaseCommand):
    help = "Writes the types of the server's frames, as TypeScript declarations."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(declarations(), ending="")
