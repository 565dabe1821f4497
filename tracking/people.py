"""Names and search fields of users, for any user model."""

from typing import Any, Final

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field, ForeignKey, IntegerField, Q, UUIDField
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tracking.ids import INTEGERS, UUIDS, Ids
from tracking.lookups import any_case


def ids_of(field: "Field[Any, Any]") -> Ids | None:
    """Return the kind of ids that a primary key holds; None if it is not supported."""
    while isinstance(field, ForeignKey):  # such as the key of a model that inherits from another
        field = field.target_field
    if isinstance(field, IntegerField):
        return INTEGERS
    return UUIDS if isinstance(field, UUIDField) else None


# The kind of ids of the project's users. A system check reports unsupported kinds.
USER_IDS: Final[Ids] = ids_of(get_user_model()._meta.pk) or INTEGERS


def _existing(*names: str) -> tuple[str, ...]:
    """Return the names that are fields of the project's user model, without duplicates."""
    fields = []
    for name in dict.fromkeys(names):
        try:
            get_user_model()._meta.get_field(name)
        except FieldDoesNotExist:
            continue
        fields.append(name)
    return tuple(fields)


# The app relies only on fields of every user model, and on these usual names if they exist.
NAME_FIELDS = _existing("name", "first_name", "last_name")
SEARCH_FIELDS = _existing(
    get_user_model().USERNAME_FIELD, get_user_model().get_email_field_name(), *NAME_FIELDS
)


def search_lookups(*relations: str) -> tuple[str, ...]:
    """Return the lookups that find users by text, directly or through `relations`."""
    paths: list[tuple[str, ...]] = [(relation,) for relation in relations] or [()]
    return tuple(any_case(*path, field) for path in paths for field in SEARCH_FIELDS)


def active(relation: str = "") -> Q:
    """Return the condition that users are active, directly or through `relation`.

    The condition is empty for a user model without `is_active`.
    """
    prefix = f"{relation}__" if relation else ""
    return Q(**{f"{prefix}{field}": True for field in _existing("is_active")})


def own_name(user: AbstractBaseUser) -> str:
    """Return the user's name, or "" if the user model has none."""
    parts = [getattr(user, field) for field in NAME_FIELDS]
    return " ".join(part for part in parts if part)


def first_name(user: AbstractBaseUser) -> str:
    """Return the first name, or the first word of the name; "" if the user model has none."""
    first = getattr(user, "first_name", "") or own_name(user)
    return first.split()[0] if first.strip() else ""


def full_name(user: AbstractBaseUser) -> str:
    """Return the user's name, or the log-in name if the user model has none."""
    return own_name(user) or user.get_username()


def contact(user: AbstractBaseUser) -> str:
    """Return the user's e-mail address, or the log-in name if the user model has none."""
    return getattr(user, user.get_email_field_name(), "") or user.get_username()


def identity(user: AbstractBaseUser) -> SafeString:
    """Return the HTML of a user in the admin's lists: the name, and below it another contact."""
    name, address = full_name(user), contact(user)
    if name == address:
        return format_html("{}", name)
    return format_html('{}<span class="tracking-contact">{}</span>', name, address)
