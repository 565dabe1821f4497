"""A wrapper around Django's PostgreSQL engine, as libraries such as django-prometheus have."""

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    pass
