"""Error pages have the site's design, a reason and links; API clients get problem details."""

import re

import pytest
from django.contrib.staticfiles import finders
from django.core.cache import cache
from django.test import Client
from rest_framework.throttling import SimpleRateThrottle

from accounts.models import User
from ridehail import errors

from ..tracking.rest.problems import problem

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture(autouse=True)
def _urls(settings):
    settings.ROOT_URLCONF = "tests.ridehail.error_urls"


@pytest.fixture
def browser():
    """A client that sends a browser's Accept header, and does not raise the view's exceptions."""
    return Client(
        enforce_csrf_checks=True, raise_request_exception=False, headers={"Accept": BROWSER}
    )


@pytest.fixture
def program():
    """A client that accepts any type, like curl and phone apps."""
    return Client(
        enforce_csrf_checks=True, raise_request_exception=False, headers={"Accept": "*/*"}
    )


def ways(response, status):
    """Check that the page has the site's header and a reason, and return its links by label."""
    assert response.status_code == status
    assert response["Content-Type"] == "text/html; charset=utf-8"
    page = response.content.decode()
    assert '<header class="bar">' in page
    assert re.search(r'<h1>[^<]{10,}</h1>\s*<p role="alert">[^<]{30,}</p>', page)
    assert f"Error {status}" in page
    assert "secret" not in page
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=", page)
    for path in re.findall(r'(?:href|src)="/static/([^"]+)"', page):
        assert finders.find(path)
    links = re.findall(r'<a class="button[^>]* href="([^"]*)">([^<]+)</a>', page)
    return {text: address for address, text in links}


# None of these may use the database: without the mark, pytest-django blocks it.


@pytest.mark.parametrize("path", ["/nothing/", "/driver/nothing/", "/driver/0/", "/accounts/x/"])
def test_page_that_does_not_exist_leads_home(browser, path):
    response = browser.get(path)
    assert ways(response, 404) == {"Home": "/"}
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("path", ["/fail/", "/driver/fail/?q=1"])
def test_failure_of_the_server_can_be_tried_again(browser, path):
    assert ways(browser.get(path), 500) == {"Try again": path, "Home": "/"}


def test_failed_post_is_not_offered_again(browser, settings):
    settings.MIDDLEWARE = []
    assert ways(browser.post("/fail/"), 500) == {"Home": "/"}


def test_failure_is_answered_without_the_pages_files_too(browser, monkeypatch):
    def missing(*args):
        raise ValueError("Missing staticfiles manifest entry")

    monkeypatch.setattr("django.templatetags.static.StaticNode.handle_simple", missing)
    response = browser.get("/fail/")
    assert response.status_code == 500
    assert "<h1>Server Error (500)</h1>" in response.content.decode()


def test_page_of_a_failure_asks_no_context_processor(browser, settings):
    (templates,) = settings.TEMPLATES
    options = {"context_processors": ["tests.ridehail.error_urls.fail"]}
    settings.TEMPLATES = [{**templates, "OPTIONS": options}]
    assert ways(browser.get("/fail/"), 500)


@pytest.mark.parametrize("path", ["/suspect/", "/driver/suspect/"])
def test_request_that_cannot_be_understood_leads_home(browser, path):
    assert ways(browser.get(path), 400) == {"Home": "/"}


def test_invalid_host_is_answered_with_the_page(browser, settings):
    settings.ALLOWED_HOSTS = ["ridehail.example"]
    assert ways(browser.get("/", headers={"Host": "evil.example"}), 400) == {"Home": "/"}


@pytest.mark.parametrize("referer", ["http://testserver/accounts/login/?next=/admin/", None])
def test_form_that_has_expired_leads_back_to_where_it_was(browser, referer):
    headers = {"Referer": referer} if referer else {}
    response = browser.post("/accounts/login/", {"username": "x"}, headers=headers)
    found = ways(response, 403)
    assert found == {"Try again": referer or "/", "Home": "/"}
    assert "cookies" in response.content.decode()


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "javascript:alert(1)", "//evil"])
def test_form_that_has_expired_leads_to_no_other_site(browser, elsewhere):
    response = browser.post("/accounts/logout/", headers={"Referer": elsewhere})
    assert ways(response, 403)["Try again"] == "/"


@pytest.mark.django_db
@pytest.mark.parametrize("accept", [BROWSER, "*/*"])
def test_page_without_the_permission_leads_home_and_to_another_account(browser, accept):
    browser.force_login(User.objects.create_user(email="d@example.org", role="dispatcher"))
    response = browser.get("/driver/fleet/?a=b", headers={"Accept": accept})
    log_in = "/accounts/login/?next=%2Fdriver%2Ffleet%2F%3Fa%3Db"
    assert ways(response, 403) == {"Home": "/", "Log in with another account": log_in}
    assert browser.get(log_in).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/accounts/login/?next=/admin/", "/admin/login/?next=/admin/"])
def test_too_many_log_ins_lead_back_to_the_log_in_page(path, monkeypatch):
    cache.clear()
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"log-in": "1/min"})
    browser = Client(headers={"Accept": BROWSER})
    for _ in range(2):
        response = browser.post(path)
    assert response["Retry-After"]
    assert ways(response, 429) == {"Back to log-in": path, "Home": "/"}


# API clients


def test_program_that_names_no_type_gets_the_pages_outside_the_api(program):
    assert ways(program.get("/nothing/"), 404) == {"Home": "/"}


@pytest.mark.parametrize("accept", ["*/*", "application/json", ""])
@pytest.mark.parametrize("path", ["/driver/nothing/", "/accounts/token/nothing/", "/api/nothing/"])
def test_program_that_asks_the_api_gets_problem_details(program, path, accept):
    problem(program.get(path, headers={"Accept": accept}), 404, "not_found")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [("/driver/fail/", 500, "error"), ("/driver/suspect/", 400, "bad_request")],
)
def test_failures_of_the_api_are_problem_details_without_the_reason(program, path, status, code):
    assert "secret" not in problem(program.get(path), status, code)


@pytest.mark.django_db
def test_search_is_refused_with_problem_details(program):
    program.force_login(User.objects.create_user(email="r@example.org"))
    problem(program.get("/driver/search/?q=x"), 403, "forbidden")


def test_programs_form_is_refused_with_problem_details(program):
    response = program.post("/driver/share/", headers={"Accept": "application/json"})
    assert "CSRF" in problem(response, 403, "permission_denied")


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/driver/19/location/", "/driver/grants/", "/driver/locations/"])
def test_api_answers_a_browser_in_json_too(browser, path):
    response = browser.get(path)
    assert response.status_code == 401
    assert "json" in response["Content-Type"]


def test_settings_name_the_view_for_forms(settings):
    assert f"{errors.__name__}.csrf_failure" == settings.CSRF_FAILURE_VIEW


@pytest.mark.parametrize(
    ("path", "status"), [("/nothing/", 404), ("/suspect/", 400), ("/driver/fail/", 500)]
)
def test_page_that_cannot_be_made_keeps_the_status(browser, settings, path, status, caplog):
    # As if `collectstatic` had not been run.
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
    assert browser.get(path).status_code == status
    assert "Could not render an error page: ValueError" in caplog.text
