"""The project's settings, changed by `HOST_DATABASE` and `HOST_MIDDLEWARE`."""

import json
import os

from django.db import transaction

from ridehail.settings import *  # noqa: F403
from ridehail.settings import DATABASES, MIDDLEWARE

DATABASES["default"].update(json.loads(os.environ.get("HOST_DATABASE", "{}")))
for option in json.loads(os.environ.get("HOST_WITHOUT_OPTIONS", "[]")):
    DATABASES["default"]["OPTIONS"].pop(option)
DATABASES["default"]["OPTIONS"].update(json.loads(os.environ.get("HOST_OPTIONS", "{}")))
if os.environ.get("HOST_MIDDLEWARE"):
    MIDDLEWARE.insert(0, os.environ["HOST_MIDDLEWARE"])


def in_transaction(get_response):
    """Middleware that some hosts use in place of `ATOMIC_REQUESTS`."""

    def middleware(request):
        with transaction.atomic():
            return get_response(request)

    return middleware
