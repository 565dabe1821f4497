"""Search for people in any script and case, in SQLite and PostgreSQL, on every search page."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from tracking.grants import open_grant
from tracking.models import Device, DriverLocation
from tracking.people import search_lookups

from .fakes import NOON

User = get_user_model()
everywhere = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])


@everywhere
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("иван", True),
        ("ИВАН", True),
        ("ван п", True),
        ("łódź", True),
        ("иван.", False),
        ("%", False),
        ("(", True),
        ("пётр", False),
    ],
)
def test_text_is_found_in_any_case_and_taken_literally(database, text, found):
    User.objects.create(email="ivan@example.com", name="Иван Петров (ŁÓDŹ)")
    matches = [User.objects.filter(**{lookup: text}).exists() for lookup in search_lookups()]
    assert any(matches) is found


@pytest.mark.django_db
def test_every_search_of_the_admin_finds_lower_case_cyrillic():
    driver = User.objects.create_user(email="ivan@example.com", name="Иван", role="driver")
    rider = User.objects.create_user(email="rider@example.com", name="Rider", role="rider")
    DriverLocation.objects.create(
        driver=driver, latitude=1, longitude=2, recorded_at=NOON, received_at=NOON
    )
    Device.objects.create(driver=driver, label="Телефон", token_hash="x")
    open_grant(
        driver=driver,
        watcher=rider,
        ends_at=timezone.now() + timezone.timedelta(hours=1),
        reference="Поездка",
    )
    client = Client()
    client.force_login(User.objects.create_superuser(email="admin@example.com"))
    for page, text in [
        ("accounts/user", "иван"),
        ("tracking/driverlocation", "иван"),
        ("tracking/watchgrant", "иван"),
        ("tracking/watchgrant", "поездка"),
        ("tracking/device", "иван"),
        ("tracking/device", "телефон"),
    ]:
        results = client.get(f"/admin/{page}/", {"q": text}).context["cl"].result_count
        assert results == 1, (page, text)
        assert client.get(f"/admin/{page}/", {"q": "пётр"}).context["cl"].result_count == 0
    assert client.get("/driver/search/", {"q": "иван"}).json()["total"] == 1
