"""Settings of a host whose ASGI application is the README's."""

from ridehail.settings import *  # noqa: F403

ASGI_APPLICATION = "tests.e2e.plain_host_asgi.application"
