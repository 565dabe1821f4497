"""Forms of trips in the admin: create a trip, and give it to a driver.

Only `tracking.trips` can say whether a driver is free, and only by taking it: so validating such a
form does what it is for. The admin validates within the transaction in which it saves.
"""

from typing import Any, ClassVar

from django import forms
from django.db import router
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tracking import trips
from tracking.ids import UserId
from tracking.models import State, Trip
from tracking.people import full_name


class TripForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """The base: `store` calls `tracking.trips`, and its errors are shown at their fields."""

    # The acting user: each request has a class of its own.
    by: ClassVar[UserId | None] = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for field in self.fields.values():
            field.required = False

    def store(self) -> Trip:
        """Change the trip by the validated values, and return it."""
        raise NotImplementedError

    def _post_clean(self) -> None:
        # Without the model's own validation, which would name a violated constraint.
        if self.errors:
            return
        try:
            self.instance = self.store()
        except trips.InvalidTrip as error:
            for name, texts in error.reasons.items():
                self.add_error(name if name in self.fields else None, texts)
        except trips.DriverTaken as error:
            text = _("%(driver)s has trip %(trip)s.")
            self.add_error("driver", text % {"driver": self._driver_name(), "trip": error.trip})
        except trips.DriverUnavailable as error:
            text = _("%(driver)s is %(state)s.")
            state = State(error.state).label
            self.add_error("driver", text % {"driver": self._driver_name(), "state": state})
        except trips.TripConflict as error:
            self.add_error(None, str(error))

    def _driver_name(self) -> str:
        return full_name(self.cleaned_data["driver"])


class NewTripForm(TripForm):
    """Create a trip, and assign it at once if there is a driver."""

    def store(self) -> Trip:
        values = self.cleaned_data
        return trips.create(
            reference=values["reference"],
            riders=values["riders"],
            driver=values["driver"],
            vehicle=values["vehicle"],
            ends_at=values["ends_at"],
            by=self.by,
        )


class AssignForm(TripForm):
    """Give an open trip to a driver, or take it back if the field is empty."""

    # The driver that the trip had when the page was made.
    former = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["driver"].help_text = gettext_lazy(
            "Leave it empty to let the trip wait for a driver."
        )
        self.initial["former"] = self._former(self.instance)

    def store(self) -> Trip:
        # Locked, so that the trip stays as it is between this look and the change.
        rows = Trip.objects.using(router.db_for_write(Trip)).select_for_update()
        trip = rows.get(pk=self.instance.pk)
        if self._former(trip) != self.cleaned_data["former"]:
            self._show_newest(trip)
            return trip
        has_new_vehicle = "vehicle" in self.changed_data
        return trips.assign(
            trip,
            self.cleaned_data["driver"],
            # The description of the former driver's car is not that of the new one's.
            vehicle=self.cleaned_data["vehicle"] if has_new_vehicle else None,
            by=self.by,
        )

    def _show_newest(self, trip: Trip) -> None:
        """Say who has the trip, and let the next try be a decision with that in mind."""
        if trip.driver is None:
            text = _("The trip has no driver any more. Assign again to change that.")
        else:
            text = _("%(driver)s was given this trip in the meantime. Assign again to change that.")
            text %= {"driver": full_name(trip.driver)}
        self.add_error("driver", text)
        data: Any = self.data
        self.data = data.copy()
        self.data[self.add_prefix("former")] = self._former(trip)  # type: ignore[index]  # a QueryDict

    def _former(self, trip: Trip) -> str:
        return "" if trip.driver_id is None else str(trip.driver_id)
