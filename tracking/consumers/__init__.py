"""The consumers: a driver's, which publishes, and a watcher's, which streams."""

from tracking.consumers.base import TrackingConsumer
from tracking.consumers.driver import DriverConsumer
from tracking.consumers.watcher import WatcherConsumer

__all__ = ["DriverConsumer", "TrackingConsumer", "WatcherConsumer"]
