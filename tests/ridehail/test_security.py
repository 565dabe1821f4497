import json
import logging
import os
import re
import secrets
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import pytest
from playwright.async_api import async_playwright

from accounts.models import User
from accounts.tokens import access_token_for
from ridehail.logs import WithoutSecrets
from ridehail.security import content_security_policy
from tests import services

from .test_settings import settings_with

PROJECT = Path(__file__).resolve().parents[2]
PAGES = ["/", "/accounts/login/", "/admin/login/", "/admin/", "/nowhere/", "/accounts/token/"]
PASSWORD = "correct horse battery staple"
# The production example of .env.example, with secrets and without services.
PRODUCTION = {
    **dict(
        re.findall(r"^#   ([A-Z_]+)=(\S+)$", (PROJECT / ".env.example").read_text(), re.MULTILINE)
    ),
    "SECRET_KEY": secrets.token_urlsafe(50),
    "JWT_SIGNING_KEY": secrets.token_urlsafe(50),
}


def policy(value):
    return {name: sources for name, *sources in map(str.split, value.split(";"))}


@pytest.mark.django_db
@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_the_headers_that_confine_it(client, path):
    headers = client.get(path).headers
    assert policy(headers["Content-Security-Policy"]) == {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "manifest-src": ["'self'"],
        "worker-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
    assert headers["Permissions-Policy"] == (
        "camera=(), display-capture=(), geolocation=(self), microphone=(), payment=(), usb=()"
    )
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"


def sources(directive, hosts=(), tile_url=""):
    return content_security_policy(hosts, tile_url)["DIRECTIVES"][directive]


def test_pages_may_connect_to_the_sockets_of_the_allowed_hosts():
    assert sources("connect-src", ["ride.example.com", ".rides.example", "*"]) == [
        "'self'",
        "wss://ride.example.com",
        "wss://*.rides.example",
    ]


@pytest.mark.parametrize(
    ("tile_url", "origin"),
    [
        ("https://tiles.example/{z}/{x}/{y}.png?key=k", ["https://tiles.example"]),
        ("https://{s}.tiles.example/{z}/{x}/{y}.png", ["https://*.tiles.example"]),
        ("http://tiles.example:8080/{z}/{x}/{y}", ["http://tiles.example:8080"]),
        ("/tiles/{z}/{x}/{y}.png", []),
        ("", []),
    ],
)
def test_pages_may_show_pictures_of_the_tile_server(tile_url, origin):
    assert sources("img-src", tile_url=tile_url) == ["'self'", "data:", *origin]


def test_cookies_are_for_https_only_in_production():
    names = (
        "SESSION_COOKIE_SECURE SESSION_COOKIE_HTTPONLY SESSION_COOKIE_SAMESITE "
        "CSRF_COOKIE_SECURE CSRF_COOKIE_HTTPONLY CSRF_COOKIE_SAMESITE"
    )
    found = settings_with(names, **PRODUCTION)
    assert list(found.values()) == [True, True, "Lax"] * 2
    assert settings_with("SESSION_COOKIE_SECURE CSRF_COOKIE_SECURE") == {
        "SESSION_COOKIE_SECURE": False,
        "CSRF_COOKIE_SECURE": False,
    }


@pytest.mark.parametrize(
    ("socket_url", "origin"),
    [
        ("wss://live.example.com/sockets/", ["wss://live.example.com"]),
        ("/live/", []),
        ("", []),
    ],
)
def test_pages_may_connect_to_the_sockets_of_another_host(socket_url, origin):
    directives = content_security_policy([], "", socket_url)["DIRECTIVES"]
    assert directives["connect-src"] == ["'self'", *origin]


def test_example_production_settings_cause_no_warning():
    run = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy"],
        env={"PATH": os.environ["PATH"], **PRODUCTION},
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    # The reader has to choose a watch policy, and there is no Redis here.
    known = {"tracking.W001", "tracking.W010"}
    assert set(re.findall(r"\((\w+\.[A-Z]\d+)\)", run.stderr)) <= known


@pytest.mark.django_db
def test_no_secret_of_an_exception_reaches_the_log():
    token = access_token_for(User.objects.create_user(email="jonh@gmail.com"))
    row = "(19, -1.4354, 0.9871, null)"
    message = f"violates check constraint\nDETAIL:  Failing row contains {row}."
    try:
        raise ValueError(f"{token} {message}")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "%s", (token,), sys.exc_info())
    text = WithoutSecrets().format(record)
    assert "Traceback" in text
    assert "violates check constraint\nDETAIL:  [hidden]" in text
    for secret in (token, "-1.4354", "eyJ"):
        assert secret not in text


def log_in(server, forwarded_for):
    """Return the status of the response to a wrong password."""
    request = urllib.request.Request(
        f"{server.http_url}/accounts/token/",
        data=json.dumps({"email": "jonh@gmail.com", "password": "wrong"}).encode(),
        headers={"Content-Type": "application/json", "X-Forwarded-For": forwarded_for},
    )
    try:
        return urllib.request.urlopen(request, timeout=30).status
    except HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize(
    ("trusted_proxies", "last"), [("", 429), ("127.0.0.1", 401)], ids=["direct", "proxy"]
)
def test_server_trusts_the_forwarded_address_of_trusted_proxies_only(trusted_proxies, last):
    """Check our setting, as uvicorn would by default trust any peer on this machine."""
    with services.sqlite() as database_url:
        environment = services.environment(database_url, TRUSTED_PROXIES=trusted_proxies)
        services.migrate(environment)
        with services.Uvicorn(environment) as server:
            answers = [log_in(server, f"192.0.2.{number}") for number in range(5)]
    assert answers == [401, 401, 401, 401, last]


@pytest.fixture(scope="module")
def server():
    with services.sqlite() as database_url:
        environment = services.environment(database_url)
        services.migrate(environment)
        services.create_users(
            environment,
            [
                {
                    "id": 1,
                    "email": "admin@example.com",
                    "password": PASSWORD,
                    "is_staff": True,
                    "is_superuser": True,
                }
            ],
        )
        with services.Runserver(environment) as server:
            yield server


async def test_browser_finds_nothing_to_block_on_the_log_in_page_and_in_the_admin(server):
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            **services.launch_options(services.find_browser())
        )
        page = await browser.new_page()
        complaints = []
        page.on("console", lambda message: complaints.append(message.text))
        await page.goto(f"{server.http_url}/accounts/login/?next=/admin/accounts/user/")
        await page.fill("[name=username]", "admin@example.com")
        await page.fill("[name=password]", PASSWORD)
        await page.click("[type=submit]")
        await page.wait_for_url("**/admin/accounts/user/")
        for path in ("", "accounts/user/add/", "accounts/user/1/change/"):
            await page.goto(f"{server.http_url}/admin/{path}")
        # The admin's scripts work: the filter of permissions is one of them.
        await page.locator("#id_user_permissions_from").wait_for()
        # Other scripts do not.
        injected = """document.body.append(Object.assign(document.createElement("script"),
            {textContent: "document.title = 'injected'"}))"""
        await page.evaluate(injected)
        title = await page.title()
        await browser.close()
    assert title != "injected"
    (blocked,) = [text for text in complaints if "Content Security Policy" in text]
    assert "inline script" in blocked
