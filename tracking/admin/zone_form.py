"""The form of a zone in the admin."""

from typing import Any, ClassVar, Final

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tracking.admin.polygon_field import HELP_TEXT, PolygonField
from tracking.models import Zone

CIRCLE: Final = ("latitude", "longitude", "radius")


class ZoneForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Validate a zone. Only the fields of its kind count; the others are emptied."""

    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        choices=[
            (Zone.Kind.CIRCLE, gettext_lazy("Circle")),
            (Zone.Kind.POLYGON, gettext_lazy("Polygon")),
        ],
        initial=Zone.Kind.CIRCLE,
        widget=forms.RadioSelect,
    )
    polygon = PolygonField(label=gettext_lazy("Corners"), required=False, help_text=HELP_TEXT)

    class Meta:
        labels: ClassVar[dict[str, Any]] = {"dwell_after": gettext_lazy("Dwells after")}
        help_texts: ClassVar[dict[str, Any]] = {
            "radius": gettext_lazy("In metres, 10 to 50,000."),
        }

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for name in CIRCLE:
            if name in self.fields:
                self.fields[name].widget.attrs["step"] = "any"

    def _clean_fields(self) -> None:
        # What the other kind's fields contain is not validated: it will not be stored.
        is_polygon = self.data.get(self.add_prefix("kind")) == Zone.Kind.POLYGON
        unused = CIRCLE if is_polygon else ("polygon",)
        kept = {name: self.fields.pop(name) for name in unused if name in self.fields}
        try:
            super()._clean_fields()  # type: ignore[misc]  # not in the stubs
        finally:
            self.fields.update(kept)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("kind") == Zone.Kind.POLYGON:
            values |= dict.fromkeys(CIRCLE)
            if not values.get("polygon") and "polygon" not in self.errors:
                self.add_error("polygon", _("Draw the polygon on the map, or write its corners."))
        elif values.get("kind") == Zone.Kind.CIRCLE:
            values["polygon"] = []
            for name in CIRCLE:
                if values.get(name) is None and name not in self.errors:
                    self.add_error(name, _("A circle has a centre and a radius."))
        return values
