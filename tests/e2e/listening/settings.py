from ridehail.settings import *  # noqa: F403
from ridehail.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.e2e.listening"]
