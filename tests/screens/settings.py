from ridehail.settings import *  # noqa: F403

# The real hash takes 0.5 s, on purpose, for each user that is made and each log-in.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

ROOT_URLCONF = "tests.screens.urls"
# Trips in the demo's town have a way on its streets.
TRACKING = {
    **TRACKING,  # noqa: F405
    "ROUTING": {"BACKEND": "tests.screens.streets.Streets", "URL": "http://streets.invalid"},
}
