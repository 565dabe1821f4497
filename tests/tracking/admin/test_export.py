"""Exporting everything about a driver in the admin."""

from io import BytesIO
from zipfile import ZipFile

from django.contrib.auth import get_user_model

from ..rows import drivers
from .history import LOCATIONS, at, day_ago, drive, locate, looks, permit, run, said, text_of

User = get_user_model()


def test_export_asks_for_a_purpose_first(admin, jonh):
    page = text_of(run(admin, LOCATIONS, "export_history", locate(jonh, at(day_ago(), 8))))
    assert "Download everything that is kept about <strong><bdi>Jonh</bdi></strong>" in page
    assert 'name="purpose"' in page
    assert looks() == []


def test_confirmed_export_is_a_zip_and_recorded(admin, jonh):
    location = locate(jonh, at(day_ago(), 8))
    drive(jonh.pk, at(day_ago(), 8))
    response = run(admin, LOCATIONS, "export_history", location, post="yes", purpose="by request")
    assert response.status_code == 200
    assert response["Content-Disposition"] == (
        f'attachment; filename="location-data-{jonh.pk}.zip"'
    )
    with ZipFile(BytesIO(response.getvalue())) as archive:
        assert f"tracks/{day_ago()}.csv" in archive.namelist()
    assert looks() == [("export", jonh.pk, None, None, "by request")]


def test_export_needs_the_permissions_for_the_history_and_the_audit_trail(staff, jonh):
    location = locate(jonh, at(day_ago(), 8))
    permit(staff.user, "view_driverlocation", "view_historyfix")
    run(staff, LOCATIONS, "export_history", location, post="yes")
    assert looks() == []
    permit(staff.user, "view_locationaccess")
    response = run(staff, LOCATIONS, "export_history", location, post="yes")
    assert response["Content-Type"] == "application/zip"


def test_export_of_a_purpose_too_long_asks_again(admin, jonh):
    location = locate(jonh, at(day_ago(), 8))
    response = run(admin, LOCATIONS, "export_history", location, post="yes", purpose="x" * 201)
    assert "at most 200 characters" in text_of(response)
    assert looks() == []


def test_export_of_two_drivers_is_refused(admin):
    locations = [locate(User.objects.get(pk=pk), at(day_ago(), 8)) for pk in drivers(2)]
    run(admin, LOCATIONS, "export_history", *locations)
    assert said(admin, LOCATIONS) == ["Select one driver: an export is about one person."]
