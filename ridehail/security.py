"""What browsers may do on our pages."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit


def content_security_policy(allowed_hosts: Sequence[str], tile_url: str) -> dict[str, Any]:
    """django-csp's setting for a site on those hosts whose map tiles come from that URL, if any."""
    # https://{s}.tiles.example/{z}/{x}/{y}.png comes from https://*.tiles.example
    tiles = urlsplit(tile_url.replace("{s}", "*"))
    return {
        "DIRECTIVES": {
            "default-src": ["'none'"],
            "script-src": ["'self'"],
            "style-src": ["'self'"],
            "img-src": [
                "'self'",
                # Pictures in the admin's style sheets.
                "data:",
                *([f"{tiles.scheme}://{tiles.netloc}"] if tiles.netloc else []),
            ],
            "connect-src": ["'self'", *(_sockets(host) for host in allowed_hosts if host != "*")],
            "form-action": ["'self'"],
            "base-uri": ["'none'"],
            "frame-ancestors": ["'none'"],
        }
    }


def _sockets(allowed_host: str) -> str:
    """Its WebSockets, which 'self' does not include for browsers before CSP 3 (Safari 15.3)."""
    return f"wss://{'*' if allowed_host.startswith('.') else ''}{allowed_host}"


PERMISSIONS_POLICY: Final[dict[str, list[str]]] = {
    # Drivers share theirs from a page.
    "geolocation": ["self"],
    "camera": [],
    "display-capture": [],
    "microphone": [],
    "payment": [],
    "usb": [],
}
