"""What libraries make of Django's engine, such as django-prometheus."""

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    pass
