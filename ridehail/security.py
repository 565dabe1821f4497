"""Browser security policies of the site's pages."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit


def content_security_policy(
    allowed_hosts: Sequence[str], tile_url: str, socket_url: str = ""
) -> dict[str, Any]:
    """Return django-csp's setting for a site on `allowed_hosts`.

    Map tiles come from `tile_url`, and the sockets are at `socket_url`; both may be empty.
    """
    # https://{s}.tiles.example/{z}/{x}/{y}.png comes from https://*.tiles.example
    tiles = urlsplit(tile_url.replace("{s}", "*"))
    sockets = urlsplit(socket_url)
    return {
        "DIRECTIVES": {
            "default-src": ["'none'"],
            "script-src": ["'self'"],
            "style-src": ["'self'"],
            "img-src": [
                "'self'",
                # Images in the admin's style sheets.
                "data:",
                *([f"{tiles.scheme}://{tiles.netloc}"] if tiles.netloc else []),
            ],
            "connect-src": [
                "'self'",
                *(_sockets(host) for host in allowed_hosts if host != "*"),
                *([f"{sockets.scheme}://{sockets.netloc}"] if sockets.netloc else []),
            ],
            # The pages that are an app.
            "manifest-src": ["'self'"],
            "worker-src": ["'self'"],
            "form-action": ["'self'"],
            "base-uri": ["'none'"],
            "frame-ancestors": ["'none'"],
        }
    }


def _sockets(allowed_host: str) -> str:
    """Return the source of a host's WebSockets: 'self' excludes them before CSP 3 (Safari 15.3)."""
    return f"wss://{'*' if allowed_host.startswith('.') else ''}{allowed_host}"


PERMISSIONS_POLICY: Final[dict[str, list[str]]] = {
    # Drivers share their location from a page.
    "geolocation": ["self"],
    "camera": [],
    "display-capture": [],
    "microphone": [],
    "payment": [],
    "usb": [],
}
