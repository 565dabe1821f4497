"""Staff with permissions, for tests."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission


def permitted(user_id, *codenames):
    """Make a user staff with just these permissions, and return the id."""
    users = get_user_model().objects
    users.filter(pk=user_id).update(is_staff=True)
    permissions = Permission.objects.filter(codename__in=codenames)
    users.get(pk=user_id).user_permissions.set(permissions)
    return user_id
