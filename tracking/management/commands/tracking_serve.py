from typing import TYPE_CHECKING, Any

from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tracking.checks import check_channel_layer

if TYPE_CHECKING:
    from tracking.contrib.uvicorn.config import Config


class Command(BaseCommand):
    """Serve `settings.ASGI_APPLICATION` in production.

    A subclass may check more in `handle`, and give uvicorn more options in `configure`.
    """

    help = (
        "Serves settings.ASGI_APPLICATION in production, by uvicorn. SIGTERM drains: sockets are "
        "closed over TRACKING['DRAIN_SECONDS'], and everything received is stored. With several "
        "workers, SIGHUP replaces one after the other."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument(
            "--workers",
            type=int,
            default=1,
            help="Processes. More than one need a channel layer that they share, such as Redis.",
        )

    def handle(self, *, host: str, port: int, workers: int, **options: Any) -> None:
        try:
            from tracking.contrib.uvicorn.supervisor import serve
        except ModuleNotFoundError as error:
            raise CommandError(
                f"The server needs the package {error.name}: install this app with its extra"
                " [uvicorn]."
            ) from error
        self.check_layer(workers)
        serve(self.configure(host=host, port=port, workers=workers))

    def check_layer(self, workers: int) -> None:
        """Refuse several workers that share no channel layer, and show the other messages."""
        if not isinstance(get_channel_layer(), InMemoryChannelLayer):
            for message in check_channel_layer():
                # Not refused: the database stands in for a Redis that is about to start, or fails.
                self.stderr.write(self.style.ERROR(f"{message.id}: {message.msg}"))
        elif workers > 1:
            raise CommandError(
                f"--workers {workers} needs a channel layer that the workers share, and the default"
                " one is in memory: a worker would not receive what the drivers of another one"
                " send. Name tracking.contrib.channels_redis.ChannelLayer in CHANNEL_LAYERS or"
                " start one worker."
            )

    def configure(self, **options: Any) -> "Config":
        """Return the server's configuration, with these options of `uvicorn.Config`."""
        from tracking.contrib.uvicorn.config import HAS_HTTPTOOLS, Config

        if not HAS_HTTPTOOLS:
            self.stderr.write(
                self.style.WARNING("Without httptools, time and size of requests have no limit.")
            )
        return Config(
            "tracking.serving.asgi:application", drain="tracking.serving.asgi:drain", **options
        )
