"""The form of a webhook endpoint in the admin.

Validating it adds or changes the endpoint, as only that checks where the address leads: names are
resolved, so it is not within a transaction.
"""

from typing import Any, ClassVar

from django import forms
from django.utils.html import format_html
from django.utils.translation import gettext_lazy

from tracking.ids import UserId
from tracking.models import WebhookEndpoint
from tracking.webhooks import endpoints


def _event_types() -> list[tuple[str, str]]:
    """Return the types in the language of the request."""
    return [
        (kind.value, format_html("{} <code>{}</code>", kind.label, kind.value))
        for kind in endpoints.CHOICES
    ]


class EndpointForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Add an endpoint, or change what was changed in the form."""

    # The acting user: each request has a class of its own.
    by: ClassVar[UserId | None] = None

    url = forms.CharField(
        label=gettext_lazy("URL"),
        max_length=endpoints.MAX_URL,
        widget=forms.URLInput(
            attrs={
                "class": "vURLField",
                "placeholder": "https://example.com/webhooks",
                "autocomplete": "off",
            }
        ),
    )
    events = forms.MultipleChoiceField(
        label=gettext_lazy("Types of events"),
        widget=forms.CheckboxSelectMultiple,
        choices=_event_types,
        error_messages={"required": gettext_lazy("Choose at least one type.")},
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("url", "description", "events")
        help_texts: ClassVar[dict[str, Any]] = {
            "description": gettext_lazy("What it is for, such as “Notifications for riders”.")
        }

    def _post_clean(self) -> None:
        # Without the model's own validation, which would set the fields before they are checked.
        if self.errors:
            return
        try:
            if self.instance.pk is None:
                self.instance, _secret = endpoints.create(**self.cleaned_data, by=self.by)
            else:
                changed = {name: self.cleaned_data[name] for name in self.changed_data}
                endpoints.change(self.instance, **changed)
        except endpoints.InvalidEndpoint as error:
            for name, texts in error.reasons.items():
                self.add_error(name if name in self.fields else None, texts)
