"""The admin's pages. Django's autodiscovery imports this module, which registers them."""

from tracking.admin import (
    access_log,
    alerts,
    devices,
    events,
    grants,
    holds,
    locations,
    states,
    trips,
    webhook_deliveries,
    webhooks,
    zones,
)

__all__ = [
    "access_log",
    "alerts",
    "devices",
    "events",
    "grants",
    "holds",
    "locations",
    "states",
    "trips",
    "webhook_deliveries",
    "webhooks",
    "zones",
]
