"""Share links in the admin, in exports, in erasures and in the daily maintenance."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from tracking import shares
from tracking.history.export_tables import tables
from tracking.models import TripShare
from tracking.shares.retention import purge

from ..rest.staff import permitted

pytestmark = pytest.mark.django_db(transaction=True)


def browser_of(caller):
    user = get_user_model().objects.get(pk=caller.pk)
    user.is_staff = True
    user.save()
    client = Client()
    client.force_login(user)
    return client


def test_admin_shows_who_shared_and_ends_a_link(settings, staff, trip, link):
    settings.REQUIRE_SECOND_FACTOR = False
    client, path = browser_of(staff), f"/admin/tracking/trip/{trip.pk}/change/"
    page = client.get(path).content.decode()
    assert "Ama Boateng" in page
    assert f'name="_revoke_share" value="{link.share.pk}"' in page
    assert link.share.secret_hash not in page
    assert client.post(path, {"_revoke_share": str(link.share.pk)}).status_code == 302
    assert TripShare.objects.get().ended_at is not None
    assert "_revoke_share" not in client.get(path).content.decode()


def test_admin_who_may_only_view_trips_cannot_end_a_link(settings, rider, trip, link):
    settings.REQUIRE_SECOND_FACTOR = False
    permitted(rider.pk, "view_trip")
    client, path = browser_of(rider), f"/admin/tracking/trip/{trip.pk}/change/"
    assert "_revoke_share" not in client.get(path).content.decode()
    client.post(path, {"_revoke_share": str(link.share.pk)})
    assert TripShare.objects.get().ended_at is None


def test_export_of_a_rider_has_the_links_without_a_secret(rider, link):
    (table,) = [each for each in tables(rider.pk) if each.name == "trips-you-shared.csv"]
    assert [row.pk for row in table.rows] == [link.share.pk]
    assert "secret_hash" not in table.columns


def test_links_are_deleted_with_the_account(rider, link):
    get_user_model().objects.get(pk=rider.pk).delete()
    assert not TripShare.objects.exists()


def test_old_links_are_deleted(settings, rider, trip, link):
    settings.TRACKING = settings.TRACKING | {"EVENT_DAYS": 30}
    kept = shares.create(trip, by=rider.pk).share
    old = timezone.now() - timedelta(days=31)
    TripShare.objects.filter(pk=link.share.pk).update(
        created_at=old - timedelta(hours=1), expires_at=old
    )
    assert purge() == 1
    assert TripShare.objects.get() == kept


def test_no_error_report_has_the_secret(link, rf):
    """Reports of errors, in mails and pages, hide the variable."""
    from django.views.debug import SafeExceptionReporterFilter

    class Broken(str):
        __slots__ = ()

        def isascii(self):
            raise RuntimeError

    try:
        shares.resolve(Broken(link.secret))
    except RuntimeError as error:
        frame = error.__traceback__.tb_next.tb_next.tb_frame
        request = rf.get("/")
        shown = SafeExceptionReporterFilter().get_traceback_frame_variables(request, frame)
    assert link.secret not in str(shown)
