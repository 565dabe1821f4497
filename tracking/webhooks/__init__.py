"""Webhooks: events delivered to other systems, signed, after Standard Webhooks 1.0.0."""
