"""Arguments of the functions for host projects: users, texts, and the error that names them."""

from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.translation import gettext as _

from tracking.ids import UserId


class InvalidArguments(ValueError):
    """Base of the errors for invalid input. `reasons` holds the messages by name."""

    def __init__(self, reasons: dict[str, list[str]]) -> None:
        super().__init__(" ".join(f"{name}: {' '.join(why)}" for name, why in reasons.items()))
        self.reasons = reasons


def id_of(user: AbstractBaseUser | UserId | None) -> Any:
    """Return the id of a user who is given as an object or by id; None for None."""
    return user if user is None or isinstance(user, int | UUID) else user.pk


def text_reasons(**texts: tuple[str, int]) -> dict[str, list[str]]:
    """Return the messages about texts that cannot be stored, by name.

    Each text is given with the number of characters that it may have.
    """
    reasons: dict[str, list[str]] = {}
    for name, (text, most) in texts.items():
        if len(text) > most:
            reasons[name] = [_("Give at most %(count)d characters.") % {"count": most}]
        elif "\0" in text:  # which PostgreSQL does not store
            reasons[name] = [_("Null characters are not allowed.")]
    return reasons
