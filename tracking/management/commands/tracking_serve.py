from typing import TYPE_CHECKING, Any

from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tracking.checks import check_channel_layer

if TYPE_CHECKING:
    from tracking.contrib.uvicorn.config import Config


class Command(BaseCommand):
    """Serve `settings.ASGI_APPLICATION` in production.

    A subclass may add checks in `handle`, and options for uvicorn in `configure`.
    """

    help = (
        "Serves settings.ASGI_APPLICATION in production with uvicorn. SIGTERM drains the server: "
        "it closes sockets over TRACKING['DRAIN_SECONDS'] and stores everything received. With "
        "several workers, SIGHUP replaces one after the other."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument(
            "--workers",
            type=int,
            default=1,
            help="Number of processes. Several need a shared channel layer, such as Redis.",
        )

    def handle(self, *, host: str, port: int, workers: int, **options: Any) -> None:
        try:
            from tracking.contrib.uvicorn.supervisor import serve
        except ModuleNotFoundError as error:
            raise CommandError(
                f"This command requires the package {error.name}. Install tracking with the extra"
                " [uvicorn]."
            ) from error
        self.check_layer(workers)
        serve(self.configure(host=host, port=port, workers=workers))

    def check_layer(self, workers: int) -> None:
        """Print the messages of the channel layer's check.

        Raise CommandError for several workers with a channel layer in memory.
        """
        if not isinstance(get_channel_layer(), InMemoryChannelLayer):
            for message in check_channel_layer():
                # Start nevertheless: Redis may be about to start, and locations are delivered from
                # the database meanwhile.
                self.stderr.write(self.style.ERROR(f"{message.id}: {message.msg}"))
        elif workers > 1:
            raise CommandError(
                f"--workers {workers} needs a channel layer that the workers share. The default"
                " channel layer is in memory: watchers would not receive the locations of drivers"
                " who are connected to another worker. Use"
                " tracking.contrib.channels_redis.ChannelLayer in CHANNEL_LAYERS, or start one"
                " worker."
            )

    def configure(self, **options: Any) -> "Config":
        """Return the server's configuration. `options` are those of `uvicorn.Config`."""
        from tracking.contrib.uvicorn.config import HAS_HTTPTOOLS, Config

        if not HAS_HTTPTOOLS:
            self.stderr.write(
                self.style.WARNING(
                    "httptools is not installed: time and size of requests are not limited."
                )
            )
        return Config(
            "tracking.serving.asgi:application", drain="tracking.serving.asgi:drain", **options
        )
