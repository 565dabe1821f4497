"""The wire protocol for programs, made from the types that speak it.

`docs/protocol.md` is the contract in words. `docs/asyncapi.json` is what `manage.py
tracking_asyncapi` writes, `static/tracking/frames.d.ts` what `manage.py tracking_types` writes.
"""

from tracking.asyncapi.document import document
from tracking.asyncapi.typescript import declarations

__all__ = ["declarations", "document"]
