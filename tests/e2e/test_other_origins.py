"""A page of another origin, in a real browser."""

import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests import services

from .visits import PASSWORD, person

DRIVER = 921
USE = """async ([root, email, password, driver]) => {
    const post = (path, body, headers = {}) => fetch(root + path, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...headers },
        body: JSON.stringify(body),
    }).then((response) => response.status === 200 ? response.json() : response.status);
    const { access, refresh } = await post("/accounts/token/", { email, password });
    const renewed = await post("/accounts/token/refresh/", { refresh });
    const bearer = { Authorization: `Bearer ${access}` };
    const url = `${root}/driver/${driver}/location/`;
    const headers = { "Content-Type": "application/json", ...bearer };
    const body = JSON.stringify({ lat: 1.5, lon: 2.5 });
    const sent = await fetch(url, { method: "PUT", headers, body });
    return [typeof renewed.access, sent.status];
}"""
SESSION = """(root) => fetch(root + "/accounts/token/session/", { method: "POST" }).then(
    () => "answered", () => "refused"
)"""


class Page(SimpleHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Elsewhere</title>")

    def log_message(self, *arguments):
        pass


@pytest.fixture
def elsewhere():
    """Start another server, and return its origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def site(elsewhere):
    """Start our server, which allows that origin."""
    with services.sqlite() as database_url:
        environment = services.environment(database_url, CORS_ALLOWED_ORIGINS=elsewhere)
        services.migrate(environment)
        services.create_users(environment, [person(DRIVER, "driver")])
        with services.Runserver(environment, "site") as server:
            yield server


async def test_page_of_a_named_origin_logs_in_and_sends(browser, elsewhere, site):
    page = await browser.browser.new_page()
    await page.goto(elsewhere)
    arguments = [site.http_url, f"{DRIVER}@example.org", PASSWORD, DRIVER]
    assert await page.evaluate(USE, arguments) == ["string", 201]
    assert await page.evaluate(SESSION, site.http_url) == "refused"
    await page.close()
