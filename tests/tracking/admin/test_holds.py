"""Holds on the history, and its erasures, in the admin."""

import pytest
from django.utils import timezone

from tracking.models import HistoryErasure, HistoryHold

from .history import HOLDS, at, day_ago, hold_of, permit, run, said, text_of


def test_holds_are_listed_also_those_of_deleted_people(admin, jonh):
    hold_of(jonh)
    hold_of(jonh, reference="T-9", held_by_id=777)
    HistoryHold.objects.filter(reference="T-9").update(driver_id=999)
    page = text_of(admin.get(HOLDS))
    assert "Jonh" in page
    assert "#999" in page
    assert "#777" in page
    page = text_of(admin.get(HOLDS, {"q": "t-9"}))
    assert "#999" in page
    assert "Jonh" not in page
    page = text_of(admin.get(HOLDS, {"q": "JONH@"}))
    assert "#999" not in page
    assert "Jonh" in page


def test_filter_of_holds_selects_by_state(admin, jonh):
    hold_of(jonh)
    hold_of(jonh, reference="T-9", released_at=timezone.now())
    assert "T-9" not in text_of(admin.get(HOLDS, {"state": "held"}))
    assert "T-7" not in text_of(admin.get(HOLDS, {"state": "released"}))


def test_release_asks_first_and_releases_all_of_a_reference(admin, jonh):
    selected = hold_of(jonh)
    hold_of(jonh, since=at(day_ago(3), 8))
    hold_of(jonh, reference="T-9")
    page = text_of(run(admin, HOLDS, "release_selected", selected))
    assert page.count("T-7: driver") == 2
    assert not HistoryHold.objects.exclude(released_at=None).exists()
    run(admin, HOLDS, "release_selected", selected, post="yes")
    assert said(admin, HOLDS) == ["2 holds released."]
    assert list(HistoryHold.objects.filter(released_at=None).values_list("reference")) == [("T-9",)]


def test_release_of_a_released_hold_does_nothing(admin, jonh):
    hold = hold_of(jonh, released_at=timezone.now())
    assert "released already" in text_of(run(admin, HOLDS, "release_selected", hold))
    run(admin, HOLDS, "release_selected", hold, post="yes")
    assert said(admin, HOLDS) == ["0 holds released."]


def test_release_needs_the_permission_to_delete_the_history(staff, jonh):
    hold = hold_of(jonh)
    permit(staff.user, "view_historyhold")
    run(staff, HOLDS, "release_selected", hold, post="yes")
    hold.refresh_from_db()
    assert hold.released_at is None


@pytest.mark.parametrize("model", ["historyhold", "historyerasure"])
def test_nobody_can_add_change_or_delete_holds_and_erasures(admin, jonh, model):
    hold = hold_of(jonh)
    erasure = HistoryErasure.objects.create(
        driver=jonh, before=timezone.now(), erased_at=timezone.now()
    )
    pk = {"historyhold": hold, "historyerasure": erasure}[model].pk
    root = f"/admin/tracking/{model}/"
    assert admin.get(f"{root}add/").status_code == 403
    assert admin.post(f"{root}{pk}/change/", {}).status_code == 403
    assert admin.post(f"{root}{pk}/delete/", {"post": "yes"}).status_code == 403


def test_erasures_are_listed_by_the_drivers_id_alone(admin, jonh):
    now = timezone.now()
    HistoryErasure.objects.create(driver=jonh, before=now, erased_at=now, erased_by=jonh)
    HistoryErasure.objects.create(driver_id=999, before=now, erased_at=now)
    page = text_of(admin.get("/admin/tracking/historyerasure/"))
    assert f"#{jonh.pk}</td>" in page
    assert "#999</td>" in page
    assert page.count("Jonh") == 1  # by whom
