"""The keys that sign sessions and tokens: which of them production must not be run with."""

from typing import Final

# RFC 7518 section 3.2: an HMAC key as long as the hash, and SHA-256 has 32 bytes.
MIN_BYTES: Final = 32

SAME_KEYS: Final = (
    "With DEBUG off, SECRET_KEY and JWT_SIGNING_KEY must differ: whoever is given the one to check "
    "tokens, as another log-in is, could make sessions with it."
)

# The settings, and by what id `manage.py check` calls one that is not good enough.
CHECK_IDS: Final = {"SECRET_KEY": "accounts.E001", "JWT_SIGNING_KEY": "accounts.E002"}


def development_key(name: str) -> str:
    """The key that developers have without asking, which anybody can read here."""
    return f"development-only-{name.lower().replace('_', '-')}-never-use-it-in-production"


def refusal(name: str, key: str) -> str | None:
    """Why production must not have `key` for the setting `name`, and what to do; or None.

    The key itself is not in the text.
    """
    if key != development_key(name) and len(key.encode()) >= MIN_BYTES:
        return None
    return (
        f"With DEBUG off, {name} must be set in the environment, to a secret of {MIN_BYTES} bytes "
        'or more. Make one with: python -c "import secrets; print(secrets.token_urlsafe(50))"'
    )
