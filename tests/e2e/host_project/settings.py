from pathlib import Path

from ridehail.settings import *  # noqa: F403
from ridehail.settings import TEMPLATES

ROOT_URLCONF = "tests.e2e.host_project.urls"
TEMPLATES[0]["DIRS"] = [Path(__file__).parent / "templates"]
