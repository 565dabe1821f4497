"""The two routes, written the way the Channels tutorial teaches."""

from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth import get_user_model
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken

from .models import Location


class TrackingConsumer(AsyncJsonWebsocketConsumer):
    """The base of both consumers, with the group and the check of the token."""

    async def connect(self):
        query = parse_qs(self.scope["query_string"].decode())
        self.driver_id = int(query["userId"][0])
        self.group_name = f"driver_{self.driver_id}"
        await self.accept()

    async def authenticate(self, payload):
        """Return the active user of the token; None after sending the client an error."""
        try:
            token = AccessToken(payload["token"])
        except TokenError:
            await self.refuse("token_invalid", 4401)
            return None
        user = await self.find_user(token["id"])
        if user is None:
            await self.refuse("token_invalid", 4401)
        return user

    @database_sync_to_async
    def find_user(self, user_id):
        return get_user_model().objects.filter(pk=user_id, is_active=True).first()

    async def refuse(self, code, close_code):
        await self.send_json({"error": {"code": code, "message": code.replace("_", " ")}})
        await self.close(close_code)


class DriverConsumer(TrackingConsumer):
    """Save, publish and acknowledge each location."""

    async def receive_json(self, content):
        payload = content["payload"]
        user = await self.authenticate(payload)
        if user is None:
            return
        if user.pk != self.driver_id:
            await self.refuse("forbidden", 4403)
            return
        latitude, longitude = float(payload["lat"]), float(payload["lon"])
        await self.save_location(latitude, longitude)
        location = {"location_lat": str(latitude), "location_lon": str(longitude)}
        await self.channel_layer.group_send(
            self.group_name, {"type": "driver.location", "location": location}
        )
        await self.send_json(location)

    @database_sync_to_async
    def save_location(self, latitude, longitude):
        Location.objects.update_or_create(
            driver_id=self.driver_id, defaults={"latitude": latitude, "longitude": longitude}
        )


class WatcherConsumer(TrackingConsumer):
    """Join the driver's group, send the last known location, then every newer one."""

    joined = False

    async def receive_json(self, content):
        user = await self.authenticate(content["payload"])
        if user is None or self.joined:
            return
        self.joined = True
        await self.channel_layer.group_add(self.group_name, self.channel_name)
        location = await self.last_location()
        if location is not None:
            await self.send_json(
                {
                    "location_lat": str(location.latitude),
                    "location_lon": str(location.longitude),
                }
            )

    @database_sync_to_async
    def last_location(self):
        return Location.objects.filter(driver_id=self.driver_id).first()

    async def driver_location(self, event):
        await self.send_json(event["location"])

    async def disconnect(self, code):
        if self.joined:
            await self.channel_layer.group_discard(self.group_name, self.channel_name)
