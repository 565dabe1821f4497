from typing import Any

import uvicorn
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from accounts import keys
from ridehail.logs import logging_config
from ridehail.server import serve
from tracking.checks import check_channel_layer
from tracking.conf import conf


class Command(tracking_serve.Command):
    help = "Serves in production: uvicorn, as the benchmarks and the end-to-end tests run it."

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
        if not isinstance(get_channel_layer(), InMemoryChannelLayer):
            # Not refused: Redis may be about to start, and workers do without it meanwhile.
            for message in check_channel_layer():
                self.stderr.write(self.style.ERROR(f"{message.id}: {message.msg}"))
        elif workers > 1:
            raise CommandError(
                f"--workers {workers} needs Redis, and REDIS_URL is not set: a worker would not "
                "receive what the drivers of another one send. Set REDIS_URL, or start one worker."
            )
        config = uvicorn.Config(
            "ridehail.asgi:application",
            host=host,
            port=port,
            workers=workers,
            # A bare echo on one core answers 57,600 messages/s with this protocol and 27,300 with
            # uvicorn's others.
            ws="ridehail.websocket:WebSocketProtocol",
            loop="uvloop",
            http="ridehail.http:HttpProtocol",
            # Compressing 60 bytes saves nothing, costs memory, and rules out shared frames.
            ws_per_message_deflate=False,
            ws_max_size=conf.MAX_MESSAGE_SIZE,
            # Thousands come back at once after a restart.
            backlog=8192,
            # A new worker needs longer than uvicorn's 5 s to come up on a busy machine.
            timeout_worker_healthcheck=15,
            lifespan="on",
            # It would believe whoever connects from 127.0.0.1; ridehail.proxies decides.
            proxy_headers=False,
            access_log=False,
            log_config=logging_config(settings.LOG_FORMAT),
        )
        serve(config)
