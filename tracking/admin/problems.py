"""Messages about the rows that an action could not change."""

from collections.abc import Sequence
from typing import Any, Final

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest
from django.utils.translation import ngettext

# Messages of one action. Projects that keep messages in a cookie have room for about this many.
MAX_SHOWN: Final = 10


def show_problems(
    model_admin: "ModelAdmin[Any]", request: HttpRequest, problems: Sequence[str]
) -> None:
    """Show an error for each of the first problems, and the number of the others."""
    for text in problems[:MAX_SHOWN]:
        model_admin.message_user(request, text, messages.ERROR)
    if others := len(problems[MAX_SHOWN:]):
        text = ngettext("And %(count)d more.", "And %(count)d more.", others)
        model_admin.message_user(request, text % {"count": others}, messages.ERROR)
