import json
import os
import socket

from django.apps import AppConfig

_sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def tell(**news):
    """Send a datagram to the test's socket."""
    _sender.sendto(json.dumps(news).encode(), ("127.0.0.1", int(os.environ["LISTENING_PORT"])))


def on_locations(fixes, **kwargs):
    for fix in fixes:
        tell(driver=fix.driver_id, location=[fix.latitude, fix.longitude])


async def on_status(driver_id, status, previous, **kwargs):
    tell(driver=driver_id, change=[previous, status])


class ListeningConfig(AppConfig):
    name = "tests.e2e.listening"

    def ready(self):
        from tracking.signals import driver_status_changed, location_updated

        location_updated.connect(on_locations)
        driver_status_changed.connect(on_status)
