"""The wire protocol as an AsyncAPI document, made from the types that speak it.

`docs/protocol.md` is the contract in words; `docs/asyncapi.json` is what `manage.py
tracking_asyncapi` writes.
"""

from tracking.asyncapi.document import document

__all__ = ["document"]
