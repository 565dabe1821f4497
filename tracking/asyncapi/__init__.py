"""The WebSocket protocol in machine-readable form, derived from the types of its messages.

`docs/protocol.md` describes the protocol in words. `manage.py tracking_asyncapi` prints
`docs/asyncapi.json`, and `manage.py tracking_types` prints `static/tracking/frames.d.ts`.
"""

from tracking.asyncapi.document import document
from tracking.asyncapi.typescript import declarations

__all__ = ["declarations", "document"]
