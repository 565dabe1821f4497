"""A database that looks like MariaDB to Django, without its driver: all migrations run."""

from django.db.backends.sqlite3 import base


class DatabaseWrapper(base.DatabaseWrapper):
    vendor = "mysql"
