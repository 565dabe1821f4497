from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import keys
from ridehail.checks import check_redis
from ridehail.logs import logging_config
from tracking.conf import conf
from tracking.contrib.uvicorn.server import serve


class Command(BaseCommand):
    help = "Serves in production: uvicorn, as the benchmarks and the end-to-end tests run it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=3002)
        parser.add_argument("--workers", type=int, default=1, help="More than one need Redis.")

    def handle(self, *, host: str, port: int, workers: int, **options: Any) -> None:
        # DEBUG is on unless somebody turned it off. Whoever forgot must not be served with keys
        # that anybody can read.
        known = [
            name for name in keys.CHECK_IDS if getattr(settings, name) == keys.development_key(name)
        ]
        if settings.DEBUG and known:
            raise CommandError(
                f"This is the production server, and {' and '.join(known)} would be the known key "
                "that developers have. Set DEBUG=0 and secrets of your own, as .env.example "
                "explains. To develop: manage.py runserver"
            )
        for message in check_redis():
            # Not refused: one that is about to start, or fails, is stood in for.
            self.stderr.write(self.style.ERROR(f"{message.id}: {message.msg}"))
        config = uvicorn.Config(
            "ridehail.asgi:application",
            host=host,
            port=port,
            workers=workers,
            # A bare echo on one core answers 57,600 messages/s with this protocol and 27,300 with
            # uvicorn's others.
            ws="tracking.contrib.uvicorn.websocket:WebSocketProtocol",
            loop="uvloop",
            http="tracking.contrib.uvicorn.http:HttpProtocol",
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
