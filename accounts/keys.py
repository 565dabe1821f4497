"""Checks of the keys that sign sessions and tokens, for use in production."""

from typing import Final

# RFC 7518 section 3.2: an HMAC key is at least as long as the hash, which for SHA-256 is 32 bytes.
MIN_BYTES: Final = 32

SAME_KEYS: Final = (
    "With DEBUG off, SECRET_KEY and JWT_SIGNING_KEY must differ: a service that is given the "
    "latter to check tokens could otherwise forge sessions with it."
)

# The settings, and the system check id of each.
CHECK_IDS: Final = {"SECRET_KEY": "accounts.E001", "JWT_SIGNING_KEY": "accounts.E002"}


def development_key(name: str) -> str:
    """Return the default key of the setting `name` for development. It is public."""
    return f"development-only-{name.lower().replace('_', '-')}-never-use-it-in-production"


def refusal(name: str, key: str) -> str | None:
    """Return why production must not use `key` for the setting `name`, and the remedy; or None.

    The text does not contain the key.
    """
    if key != development_key(name) and len(key.encode()) >= MIN_BYTES:
        return None
    return (
        f"With DEBUG off, {name} must be set in the environment, to a secret of {MIN_BYTES} bytes "
        'or more. Make one with: python -c "import secrets; print(secrets.token_urlsafe(50))"'
    )
