"""The admin's pages. Django's site imports this module, and finds what these register."""

from tracking.admin import access_log, devices, grants, locations

__all__ = ["access_log", "devices", "grants", "locations"]
