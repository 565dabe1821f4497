from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from accounts import keys
from ridehail.logs import logging_config
from tracking.management.commands import tracking_serve

if TYPE_CHECKING:
    from tracking.contrib.uvicorn.config import Config


class Command(tracking_serve.Command):
    help = "Serves in production with uvicorn, as the benchmarks and the end-to-end tests run it."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(port=3002)

    def handle(self, **options: Any) -> None:
        # DEBUG is on unless it was turned off. A server where that was forgotten must not use keys
        # that everybody can read.
        known = [
            name for name in keys.CHECK_IDS if getattr(settings, name) == keys.development_key(name)
        ]
        if settings.DEBUG and known:
            raise CommandError(
                f"This is the production server, and {' and '.join(known)} would be the known key "
                "that developers have. Set DEBUG=0 and secrets of your own, as .env.example "
                "explains. To develop: manage.py runserver"
            )
        super().handle(**options)

    def configure(self, **options: Any) -> "Config":
        return super().configure(log_config=logging_config(settings.LOG_FORMAT), **options)
