"""The admin's pages. Django's autodiscovery imports this module, which registers them."""

from tracking.admin import access_log, devices, grants, holds, locations, states, trips, zones

__all__ = ["access_log", "devices", "grants", "holds", "locations", "states", "trips", "zones"]
