"""The models, one per file. Django finds them here."""

from tracking.models.alert import AlertKind, DriverAlert
from tracking.models.announced_status import AnnouncedStatus
from tracking.models.device import Device
from tracking.models.eta import TripEta, TripMatch
from tracking.models.event import Event, EventType
from tracking.models.grant import WatchGrant, WatchGrantQuerySet
from tracking.models.history_erasure import HistoryErasure
from tracking.models.history_fix import HistoryFix
from tracking.models.history_hold import HistoryHold
from tracking.models.history_segment import HistorySegment
from tracking.models.location import DriverLocation
from tracking.models.location_access import LocationAccess
from tracking.models.share import TripShare, TripShareQuerySet
from tracking.models.state import DriverState, DriverStateChange, State
from tracking.models.trip import FINAL, Trip, TripAssignment, TripChange, TripStatus
from tracking.models.web_session import EndedWebSession
from tracking.models.webhook import WebhookDelivery, WebhookEndpoint
from tracking.models.worker import Worker
from tracking.models.zone import Zone, ZoneVisit

__all__ = [
    "FINAL",
    "AlertKind",
    "AnnouncedStatus",
    "Device",
    "DriverAlert",
    "DriverLocation",
    "DriverState",
    "DriverStateChange",
    "EndedWebSession",
    "Event",
    "EventType",
    "HistoryErasure",
    "HistoryFix",
    "HistoryHold",
    "HistorySegment",
    "LocationAccess",
    "State",
    "Trip",
    "TripAssignment",
    "TripChange",
    "TripEta",
    "TripMatch",
    "TripShare",
    "TripShareQuerySet",
    "TripStatus",
    "WatchGrant",
    "WatchGrantQuerySet",
    "WebhookDelivery",
    "WebhookEndpoint",
    "Worker",
    "Zone",
    "ZoneVisit",
]
