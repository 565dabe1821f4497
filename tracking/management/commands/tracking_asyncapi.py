"""`manage.py tracking_asyncapi`: the wire protocol, for programs to read."""

import json
from typing import Any

from django.core.management.base import BaseCommand

from tracking.asyncapi import document


class Command(BaseCommand):
    help = "Writes the AsyncAPI document of the wire protocol, as JSON."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(json.dumps(document(), indent=2, ensure_ascii=False))
