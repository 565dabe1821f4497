"""Languages of pages, by the browser's preference and by the menu. Programs get English."""

import re

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User

PAGE = "/accounts/login/"


def html_tag(response):
    return re.search(r"<html[^>]*>", response.content.decode())[0]


@pytest.mark.parametrize(
    ("accepted", "language", "direction"),
    [
        ("", "en", ""),
        ("tlh", "en", ""),
        ("de-CH,de;q=0.9,en;q=0.8", "de", ""),
        ("pt", "pt-br", ""),
        ("es-MX", "es", ""),
        ("hi-IN,en;q=0.1", "hi", ""),
        ("ar-EG", "ar", ' dir="rtl"'),
    ],
)
def test_page_has_the_first_language_that_the_browser_accepts(
    client, accepted, language, direction
):
    response = client.get("/nothing/", headers={"Accept-Language": accepted, "Accept": "text/html"})
    assert html_tag(response) == f'<html lang="{language}"{direction}>'
    assert response["Content-Language"] == language
    assert "Accept-Language" in response["Vary"]


@pytest.mark.django_db
def test_menu_of_languages_sets_a_cookie_that_counts_more_than_the_browser():
    client = Client(enforce_csrf_checks=True, headers={"Accept-Language": "fr"})
    page = client.get(f"{PAGE}?next=/fleet/map/").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
    assert re.findall(r'name="language" value="([^"]+)"', page) == [
        code for code, _ in settings.LANGUAGES
    ]
    assert re.search(r'value="fr"[^>]*aria-current="true"', page)
    form = {"csrfmiddlewaretoken": token, "language": "ar", "next": f"{PAGE}?next=/fleet/map/"}
    answer = client.post("/i18n/setlang/", form)
    assert answer["Location"] == f"{PAGE}?next=/fleet/map/"
    cookie = answer.cookies[settings.LANGUAGE_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert html_tag(client.get(PAGE)) == '<html lang="ar" dir="rtl">'


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", "ar"])
def test_menu_names_each_language_in_itself(client, language):
    page = client.get(PAGE, headers={"Accept-Language": language}).content.decode()
    names = re.findall(r'<button name="language"[^>]*>([^<]+)<', page)
    assert names == [name for _, name in settings.LANGUAGES]


@pytest.mark.django_db
def test_menu_leads_to_no_other_site(client):
    form = {"language": "de", "next": "https://evil.example/"}
    assert client.post("/i18n/setlang/", form)["Location"] == "/"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/driver/1/location/", "/trips/", "/accounts/token/refresh/"])
def test_answers_to_programs_are_the_same_in_every_language(client, path):
    answers = [
        client.post(
            path, {}, content_type="application/json", headers={"Accept-Language": accepted}
        )
        for accepted in ("en", "de", "ar")
    ]
    assert len({answer.content for answer in answers}) == 1
    assert {answer["Content-Language"] for answer in answers} == {"en"}
    assert answers[0].json()["code"]


@pytest.mark.django_db
def test_errors_of_fields_are_the_same_in_every_language(client):
    User.objects.create_user("a@example.com", "correct horse battery staple")
    answers = [
        client.post(
            "/accounts/token/",
            {"email": "a@example.com", "password": ""},
            content_type="application/json",
            headers=headers,
        ).json()
        for headers in ({"Accept-Language": "en"}, {"Accept-Language": "de"})
    ]
    assert answers[0] == answers[1]
    assert answers[0]["password"] == ["This field may not be blank."]
