"""`manage.py tracking_asyncapi`: print the AsyncAPI document of the WebSocket protocol."""

import json
from typing import Any

from django.core.management.base import BaseCommand

from tracking.asyncapi import document


class Command(BaseCommand):
    help = "Prints the AsyncAPI document of the WebSocket protocol as JSON."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(json.dumps(document(), indent=2, ensure_ascii=False))
