"""Waypoints of trips and zones: what drivers reach, enter and leave, found from their fixes."""
