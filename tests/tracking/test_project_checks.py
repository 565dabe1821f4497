"""Checks of the host project: each missing part has a check id of its own."""

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.urls import include, path

from tests.tracking import no_urls
from tracking.checks import check_settings
from tracking.project_checks import NEEDED_APPS, require_apps


@pytest.fixture
def without(monkeypatch):
    """Return a function that hides an installed app."""
    installed = apps.is_installed

    def remove(name):
        monkeypatch.setattr(apps, "is_installed", lambda other: other != name and installed(other))

    return remove


@pytest.mark.parametrize("name", NEEDED_APPS)
def test_missing_app_that_models_need_stops_the_project_and_is_named(without, name):
    require_apps()
    without(name)
    with pytest.raises(ImproperlyConfigured, match=rf"'{name}'.*tracking\.E010"):
        require_apps()
    # Django calls `import_models` before it imports the models.
    with pytest.raises(ImproperlyConfigured, match=r"tracking\.E010"):
        apps.get_app_config("tracking").import_models()


@pytest.mark.parametrize(
    ("name", "check_id"),
    [("channels", "tracking.W006"), ("rest_framework", "tracking.W007")],
)
def test_app_that_some_features_need_is_warned_of(without, name, check_id):
    without(name)
    (message,) = check_settings()
    assert message.id == check_id
    assert repr(name) in message.hint


@pytest.fixture
def urls(settings, monkeypatch):
    """Return a function that replaces the project's URLs."""

    def replace(*patterns):
        monkeypatch.setattr(no_urls, "urlpatterns", [*patterns])
        settings.ROOT_URLCONF = "tests.tracking.no_urls"

    return replace


def test_urls_without_ours_are_warned_of(urls):
    urls()
    (message,) = check_settings()
    assert message.id == "tracking.W008"
    assert 'include("tracking.urls")' in message.hint


def test_urls_inside_another_namespace_are_warned_of(urls):
    urls(path("api/", include(([path("", include("tracking.urls"))], "api"))))
    assert [message.id for message in check_settings()] == ["tracking.W008"]


def test_urls_at_any_path_pass(urls, settings):
    settings.LOGIN_URL = "/log-in/"
    urls(path("anywhere/", include("tracking.urls")))
    assert check_settings() == []


@pytest.mark.parametrize("log_in", ["no-such-page", None])
def test_missing_log_in_page_is_warned_of(settings, log_in):
    settings.LOGIN_URL = log_in
    (message,) = check_settings()
    assert message.id == "tracking.W009"


def test_log_in_page_is_needed_by_our_pages_alone(settings, urls):
    settings.LOGIN_URL = "no-such-page"
    urls()
    assert [message.id for message in check_settings()] == ["tracking.W008"]
