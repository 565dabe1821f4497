"""The pages as apps: what browsers ask for without cookies."""

import json
import re

import pytest
from django.contrib.staticfiles import finders
from django.urls import reverse

from accounts.models import User
from tracking import trips

APPS = {"tracking": "/driver/share/", "tracking_trips": "/trips/app/"}
SCOPES = {"tracking": "/driver/share/", "tracking_trips": "/trips/"}


def config(client, namespace, **query):
    text = client.get(reverse(f"{namespace}:app-worker"), query).content.decode()
    return json.loads(re.match(r"self\.app = (.*);\n", text).group(1)), text


@pytest.mark.parametrize("namespace", APPS)
def test_manifest_starts_within_its_scope_and_has_icons_that_exist(client, namespace):
    answer = client.get(reverse(f"{namespace}:app-manifest"))
    assert answer["Content-Type"] == "application/manifest+json"
    found = answer.json()
    assert found["start_url"] == APPS[namespace]
    assert found["scope"] == SCOPES[namespace]
    assert found["start_url"].startswith(found["scope"])
    for icon in found["icons"]:
        assert finders.find(icon["src"].removeprefix("/static/"))


@pytest.mark.parametrize("namespace", APPS)
def test_worker_stores_the_files_of_the_offline_page_and_nothing_else(client, namespace):
    found, text = config(client, namespace)
    page = client.get(found["page"]).content.decode()
    for url in found["files"]:
        assert finders.find(url.removeprefix("/static/")), url
    for url in re.findall(r'(?:href|src)="(/[^"]+)"', page):
        assert url in found["files"]
    assert "/static/tracking/offline.js" in found["files"]
    assert 'importScripts("/static/tracking/app-worker.js")' in text
    # The browser limits the scope to the folder of the script.
    assert SCOPES[namespace].startswith(reverse(f"{namespace}:app-worker").rpartition("/")[0])


@pytest.mark.parametrize(
    ("namespace", "path", "is_page"),
    [
        ("tracking", "/driver/share/", True),
        ("tracking", "/driver/share/app-offline/", False),
        ("tracking", "/driver/fleet/", False),
        ("tracking_trips", "/trips/7/", True),
        ("tracking_trips", "/trips/7/map/", True),
        ("tracking_trips", "/trips/app/", True),
        ("tracking_trips", "/trips/7/track/", False),
        ("tracking_trips", "/trips/", False),
    ],
)
def test_worker_answers_for_the_pages_of_its_app_only(client, namespace, path, is_page):
    found, _ = config(client, namespace)
    assert bool(re.search(found["paths"], path)) is is_page


def test_worker_changes_with_the_page_that_it_stores(client, settings):
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]
    english, _ = config(client, "tracking", lang="en")
    german, _ = config(client, "tracking", lang="de")
    assert english["cache"] != german["cache"]
    assert english["family"] == german["family"]
    # Not a language of the site.
    assert config(client, "tracking", lang="xx")[0] == english


@pytest.mark.django_db
@pytest.mark.parametrize("namespace", APPS)
@pytest.mark.parametrize("name", ["app-manifest", "app-worker", "app-offline"])
def test_what_browsers_store_is_the_same_for_every_user(client, namespace, name):
    url = reverse(f"{namespace}:{name}")
    anonymous = client.get(url).content
    client.force_login(User.objects.create_user(email="zoe@example.org", name="Zoe"))
    answer = client.get(url)
    assert answer.content == anonymous
    assert not answer.cookies


@pytest.mark.django_db
def test_icon_of_the_riders_leads_to_the_newest_open_trip(client):
    rider = User.objects.create_user(email="r@example.org", name="R")
    client.force_login(rider)
    assert "No trip right now" in client.get("/trips/app/").content.decode()
    first, second = trips.create(riders=[rider]), trips.create(riders=[rider])
    trips.create()
    assert str(second.pk) in client.get("/trips/app/")["Location"]
    trips.cancel(second)
    assert str(first.pk) in client.get("/trips/app/")["Location"]
    client.logout()
    assert "/login/" in client.get("/trips/app/")["Location"]
