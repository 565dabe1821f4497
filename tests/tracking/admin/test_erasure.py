"""Erasing drivers' histories in the admin."""

from django.contrib.auth import get_user_model
from django.utils import timezone

from tracking.admin import erasure
from tracking.history.erasure_log import ErasureLogError
from tracking.models import DriverLocation, HistoryErasure, HistoryFix

from ..rows import drivers
from .history import (
    LOCATIONS,
    at,
    day_ago,
    drive,
    hold_of,
    locate,
    looks,
    permit,
    run,
    said,
    text_of,
)

User = get_user_model()


def test_erasure_asks_first_and_says_what_there_is(admin, jonh):
    location = locate(jonh, at(day_ago(), 8))
    drive(jonh.pk, at(day_ago(), 8))
    drive(jonh.pk, at(day_ago(2), 8))
    hold_of(jonh)
    hold_of(jonh, reference="T-6", released_at=timezone.now())
    page = " ".join(text_of(run(admin, LOCATIONS, "erase_history", location)).split())
    assert "This can't be undone" in page
    assert "Jonh</bdi></strong>: about 122 fixes on 2 days" in page
    assert "Held for T-7:" in page
    assert "T-6" not in page
    assert HistoryFix.objects.count() == 122


def test_confirmed_erasure_erases_the_selected_drivers(admin, jonh):
    mary = User.objects.create_user(email="mary@example.com", name="Mary", role="driver")
    location = locate(jonh, at(day_ago(), 8))
    locate(mary, at(day_ago(), 8))
    for driver in (jonh, mary):
        drive(driver.pk, at(day_ago(), 8))
    response = run(admin, LOCATIONS, "erase_history", location, post="yes")
    assert response.status_code == 302
    assert said(admin, LOCATIONS) == ["History of 1 driver erased: 61 fixes."]
    assert set(HistoryFix.objects.values_list("driver", flat=True)) == {mary.pk}
    assert list(DriverLocation.objects.values_list("pk", flat=True)) == [mary.pk]
    [erasure] = HistoryErasure.objects.all()
    assert (erasure.driver_id, erasure.erased_by.name) == (jonh.pk, "Admin")


def test_erasure_that_is_confirmed_later_does_not_depend_on_the_filters_of_the_list(admin, jonh):
    location = locate(jonh, timezone.now())
    page = run(admin, f"{LOCATIONS}?status=live", "erase_history", location)
    assert '<form method="post" action="?">' in page.content.decode()


def test_erasure_of_a_driver_whose_location_is_gone_is_reported(admin, jonh):
    mary = User.objects.create_user(email="mary@example.com", name="Mary", role="driver")
    locations = [locate(driver, at(day_ago(), 8)) for driver in (jonh, mary)]
    drive(mary.pk, at(day_ago(2), 8))
    DriverLocation.objects.filter(pk=mary.pk).delete()
    run(admin, LOCATIONS, "erase_history", *locations, post="yes")
    assert said(admin, LOCATIONS) == [
        "History of 1 driver erased: 0 fixes.",
        "1 driver has no location any more: that history was not erased.",
    ]
    assert HistoryFix.objects.count() == 61


def test_erasure_says_what_holds_keep(admin, jonh):
    location = locate(jonh, at(day_ago(), 8))
    drive(jonh.pk, at(day_ago(2), 8))
    hold_of(jonh)
    run(admin, LOCATIONS, "erase_history", location, post="yes")
    assert said(admin, LOCATIONS) == [
        "History of 1 driver erased: 0 fixes.",
        "1 hold keeps some fixes until it is released.",
    ]
    assert HistoryFix.objects.count() == 61


def test_erasure_of_too_many_drivers_is_refused(admin, monkeypatch):
    monkeypatch.setattr(erasure, "MAX_DRIVERS", 1)
    locations = [locate(User.objects.get(pk=pk), at(day_ago(), 8)) for pk in drivers(2)]
    run(admin, LOCATIONS, "erase_history", *locations, post="yes")
    assert said(admin, LOCATIONS) == ["Select 1 drivers at most: nothing was erased."]
    assert DriverLocation.objects.count() == 2


def test_failed_erasure_log_is_reported(admin, jonh, monkeypatch):
    def erase(driver_id, *, by):
        raise ErasureLogError

    monkeypatch.setattr(erasure, "erase", erase)
    run(admin, LOCATIONS, "erase_history", locate(jonh, at(day_ago(), 8)), post="yes")
    assert said(admin, LOCATIONS) == ["The erasure log can't be written: the rest was not erased."]


def test_actions_need_the_permissions_on_the_history(staff, jonh):
    location = locate(jonh, at(day_ago(), 8))
    drive(jonh.pk, at(day_ago(), 8))
    for action in ("erase_history", "export_history"):
        response = run(staff, LOCATIONS, action, location, post="yes")
        assert response.get("Content-Type", "").startswith("text/html")
    assert HistoryFix.objects.count() == 61
    assert looks() == []
    permit(staff.user, "view_historyfix")
    assert "Export everything" not in text_of(staff.get(LOCATIONS))
    permit(staff.user, "view_locationaccess")
    page = text_of(staff.get(LOCATIONS))
    assert "Export everything about the selected driver" in page
    assert "Erase history" not in page
    permit(staff.user, "delete_historyfix")
    assert "Erase history of selected drivers" in text_of(staff.get(LOCATIONS))
