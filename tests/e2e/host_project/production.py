"""This project in production, with its static files in a folder of the test's."""

import os

from ridehail.settings import *  # noqa: F403

STATIC_ROOT = os.environ["STATIC_ROOT"]
