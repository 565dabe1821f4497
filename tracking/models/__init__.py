"""The models, one per file. Django finds them here."""

from tracking.models.device import Device
from tracking.models.grant import WatchGrant, WatchGrantQuerySet
from tracking.models.location import DriverLocation
from tracking.models.location_access import LocationAccess
from tracking.models.web_session import EndedWebSession
from tracking.models.worker import Worker

__all__ = [
    "Device",
    "DriverLocation",
    "EndedWebSession",
    "LocationAccess",
    "WatchGrant",
    "WatchGrantQuerySet",
    "Worker",
]
