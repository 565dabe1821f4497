from pathlib import Path

from ridehail.settings import *  # noqa: F403
from ridehail.settings import TEMPLATES

ROOT_URLCONF = "tests.e2e.host_project.urls"
TEMPLATES[0]["DIRS"] = [Path(__file__).parent / "templates"]
# The real hash takes 0.5 s, on purpose, for each user that is made and each log-in.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
