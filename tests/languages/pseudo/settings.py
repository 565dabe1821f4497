"""The project with a language whose texts show that they were translated."""

import os

from tests.screens.settings import *  # noqa: F403
from tests.screens.settings import LANGUAGES as REAL

LANGUAGES = [*REAL, ("en-xa", "[Ṗšéûðö]")]
LOCALE_PATHS = [os.environ["PSEUDO_LOCALES"]]
