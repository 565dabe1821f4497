"""Alerts for dispatchers: drivers on a trip who are silent, stand too long, or left the route."""
