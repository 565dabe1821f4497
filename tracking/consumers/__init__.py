"""The WebSocket consumers: drivers publish with one, watchers stream with the other."""

from tracking.consumers.base import TrackingConsumer
from tracking.consumers.driver import DriverConsumer
from tracking.consumers.watcher import WatcherConsumer

__all__ = ["DriverConsumer", "TrackingConsumer", "WatcherConsumer"]
