"""Confirmation pages of actions, in the manner of Django's for deletions."""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin import ModelAdmin, helpers
from django.db.models import Model
from django.http import HttpRequest


def is_confirmed(request: HttpRequest) -> bool:
    """Return True if the user has confirmed an action on its page."""
    return request.POST.get("post") == "yes"


def count_missing(request: HttpRequest, rows: Sequence[Model]) -> int:
    """Return how many of the rows that the user has confirmed are not among `rows` any more."""
    return len({*request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)}) - len(rows)


def confirmation_context(
    model_admin: "ModelAdmin[Any]",
    request: HttpRequest,
    action: str,
    rows: Sequence[Model],
    title: str,
) -> dict[str, Any]:
    """Return the context of a template that extends `admin/tracking/confirmation.html`."""
    request.current_app = model_admin.admin_site.name
    return {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "subtitle": None,
        "opts": model_admin.opts,
        "media": model_admin.media,
        "action": action,
        "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        "rows": rows,
    }
