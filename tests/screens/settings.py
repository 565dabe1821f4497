from ridehail.settings import *  # noqa: F403

# The real hash takes 0.5 s, on purpose, for each user that is made and each log-in.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
