"""Template tags in a host's page, and static files as production serves them."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Group
from django.core.management import call_command
from django.template import Context, Template, TemplateSyntaxError
from django.template.loader import get_template
from django.utils import translation
from django.utils.functional import SimpleLazyObject

from tracking.models import Trip
from tracking.pages.widgets import MODULES, TEXTS

STATIC = Path(__file__).parents[3] / "tracking" / "static" / "tracking"
FOREIGN = "{% load tracking %}<h1>Order</h1>{% driver_map driver_id %}{% driver_map 20 %}"


def render(text, **context):
    return Template(text).render(Context(context))


def modules_in(page):
    return [
        json.loads(found.replace("&quot;", '"'))
        for found in re.findall(r'data-modules="([^"]+)"', page)
    ]


def test_driver_map_stands_in_a_foreign_template_several_times():
    page = render(FOREIGN, driver_id=19)
    assert re.findall(r'data-driver-id="(\d+)"', page) == ["19", "20"]
    assert page.count('<script type="module" src=') == 2
    assert " id=" not in page, "an id would be there twice"


def test_driver_map_shows_the_name_that_the_template_gives_it():
    page = render("{% load tracking %}{% driver_map 19 name %}", name="Ines <Calder>")
    assert 'data-title="Ines &lt;Calder&gt;"' in page
    assert "<bdi>Ines &lt;Calder&gt;</bdi>" in page
    assert "Driver 19" not in page
    assert 'data-title="Driver 19"' in render("{% load tracking %}{% driver_map 19 %}")


def test_fleet_map_stands_in_a_foreign_template():
    page = render("{% load tracking %}{% fleet_map %}")
    assert 'data-tracking="fleet-map"' in page
    assert 'role="search"' in page


def test_console_stands_in_a_foreign_template():
    page = render("{% load tracking %}{% dispatch_console %}")
    assert 'data-tracking="dispatch-console"' in page
    # Without a request, nobody is known to have permissions.
    assert 'data-trips-url=""' in page
    assert 'data-tab="alerts"' not in page


@pytest.mark.parametrize("trip_id", [7, "7"])
def test_trip_map_of_an_id_has_nothing_of_the_trip_in_the_page(trip_id):
    page = render("{% load tracking %}{% trip_map trip_id %}", trip_id=trip_id)
    assert 'data-trip-id="7" data-trip=""' in page


@pytest.mark.parametrize("wrong", [None, "", "x", 0, -1, True, 1.5, Group(pk=7), Trip()])
def test_what_is_no_trip_is_an_error_that_names_the_tag(wrong):
    with pytest.raises(TemplateSyntaxError, match=r"^trip_map takes a trip or its id"):
        render("{% load tracking %}{% trip_map wrong %}", wrong=wrong)


def test_trip_map_says_every_text_that_a_trip_may_need():
    source = (STATIC / "trip-words.js").read_text()
    tables = source[: source.index("/** The kind")]
    named = set(re.findall(r'"([a-z_]+)"', tables)) - {"stop", "dropoff"}
    before = set(re.findall(r'"([a-z_]+)"', tables[: tables.index("RIDING")]))
    wanted = named | {f"{name}_unnamed" for name in before} | {"complete", "canceled"}
    assert len(wanted) > 10
    assert wanted | {"pickup", "stop", "dropoff"} <= set(TEXTS["trip-map"])


def test_csrf_token_of_the_foreign_page_reaches_the_widget():
    text = "{% load tracking %}{% driver_map 19 %}"
    page = Template(text).render(Context({"csrf_token": "of-the-page"}))
    assert 'data-csrf-token="of-the-page"' in page


@pytest.mark.parametrize("tag", ["driver_map", "share_location"])
@pytest.mark.parametrize("text", ["19", "'19'", '"19"'])
def test_driver_id_may_be_a_string_of_digits(tag, text):
    assert 'data-driver-id="19"' in render("{% load tracking %}{% " + f"{tag} {text}" + " %}")


@pytest.mark.parametrize(
    "wrong", [None, "", "abc", "-1", 0, True, 1.5, '1"><script>alert(1)</script>']
)
@pytest.mark.parametrize("tag", ["driver_map", "share_location"])
def test_what_is_no_driver_id_is_an_error_that_names_the_tag(tag, wrong):
    with pytest.raises(TemplateSyntaxError, match=f"^{tag} takes a driver's id"):
        render("{% load tracking %}{% " + tag + " driver_id %}", driver_id=wrong)


@pytest.mark.parametrize("tag", ["driver_map", "share_location"])
def test_driver_may_be_a_user(tag):
    user = get_user_model()(pk=19)
    text = "{% load tracking %}{% " + tag + " user %}"
    assert 'data-driver-id="19"' in render(text, user=user)
    # The context processor gives a lazy user.
    assert 'data-driver-id="19"' in render(text, user=SimpleLazyObject(lambda: user))


@pytest.mark.parametrize("tag", ["driver_map", "share_location"])
def test_profile_of_a_driver_is_refused_with_what_to_give_instead(tag):
    """A profile's key is not the user's, and could be another driver's id."""
    with pytest.raises(TemplateSyntaxError, match=f"^{tag} takes a driver's id .* profile's user"):
        render("{% load tracking %}{% " + tag + " profile %}", profile=Group(pk=19))


@pytest.mark.parametrize("nobody", [AnonymousUser(), get_user_model()()])
def test_user_without_an_id_is_refused(nobody):
    with pytest.raises(TemplateSyntaxError, match=r"^driver_map takes a driver's id"):
        render("{% load tracking %}{% driver_map nobody %}", nobody=nobody)


@pytest.mark.parametrize(
    "tag", ["driver_map 19", "trip_map 7", "fleet_map", "dispatch_console", "share_location 19"]
)
@pytest.mark.parametrize("log_in", ["no-such-page", None])
def test_widgets_do_without_a_log_in_page(settings, tag, log_in):
    text = "{% load tracking %}{% " + tag + " %}"
    assert 'data-part="log-in"' in render(text)
    settings.LOGIN_URL = log_in
    page = render(text)
    assert 'data-log-in-url=""' in page
    assert 'data-part="log-in"' not in page


@pytest.mark.parametrize(
    "tag", ["driver_map 19", "trip_map 7", "fleet_map", "dispatch_console", "share_location 19"]
)
@pytest.mark.parametrize("url", ["/live/", "wss://live.example.com/"])
def test_widgets_take_the_sockets_from_where_the_setting_says(settings, tag, url):
    text = "{% load tracking %}{% " + tag + " %}"
    assert 'data-url="/"' in render(text)
    settings.TRACKING = {"SOCKET_URL": url}
    assert f'data-url="{url}"' in render(text)


def test_host_project_overrides_a_block_and_keeps_the_rest(tmp_path, settings):
    (tmp_path / "tracking").mkdir()
    (tmp_path / "tracking" / "driver_map.html").write_text(
        '{% extends "tracking/driver_map.html" %}{% block title %}Your car{% endblock %}'
    )
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    page = get_template("tracking/share_location_page.html").template.engine.from_string(FOREIGN)
    text = page.render(Context({"driver_id": 19}))
    assert text.count('data-title="Your car"') == 2
    assert 'data-driver-id="19"' in text


def test_texts_go_through_gettext(monkeypatch):
    monkeypatch.setattr("tracking.pages.widgets.gettext", str.upper)
    with translation.override("en"):
        page = render(FOREIGN, driver_id=19)
    assert "LAST SEEN %(AGO)S" in page


@pytest.mark.parametrize("widget", MODULES)
def test_every_text_that_a_module_says_is_there(widget):
    said = set()
    for path in MODULES[widget].values():
        if path.startswith("vendor/") or path == "tracking-client.js":
            continue
        said |= set(re.findall(r'\.say\("(\w+)"', (STATIC / path).read_text()))
    ages = {"just_now"} if widget == "share" else set()  # the driver's page shows no ages
    assert said - ages <= set(TEXTS[widget])


def test_modules_do_not_import_each_other():
    """A relative import would name a file without the hash in its name."""
    for path in STATIC.glob("*.js"):
        assert not re.search(r"^(import\b|export .* from)", path.read_text(), re.MULTILINE), path


@pytest.mark.parametrize("library", ["leaflet", "coastlines"])
def test_vendored_files_are_those_of_the_checksums(library):
    directory = STATIC / "vendor" / library
    lines = (directory / "CHECKSUMS").read_text().splitlines()
    expected = {name: digest for digest, name in (line.split("  ") for line in lines)}
    found = {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file() and path.name != "CHECKSUMS"
    }
    assert found == expected
    assert "LICENSE" in found


@pytest.mark.parametrize(
    "storage",
    [
        "django.contrib.staticfiles.storage.ManifestStaticFilesStorage",
        "whitenoise.storage.CompressedManifestStaticFilesStorage",
    ],
)
def test_hashed_static_files_are_what_the_widgets_name(storage, tmp_path, settings):
    settings.STATIC_ROOT = str(tmp_path)
    settings.DEBUG = False
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": storage}}
    # Compressing takes half a minute, and changes no name.
    settings.WHITENOISE_SKIP_COMPRESS_EXTENSIONS = ["css", "js", "json", "map", "svg"]
    call_command("collectstatic", interactive=False, verbosity=0)
    page = render(FOREIGN, driver_id=19)
    urls = [url for modules in modules_in(page) for url in modules.values()]
    urls += re.findall(r'(?:src|href|data-base-layer|data-coastlines)="([^"]+)"', page)
    assert len(urls) > 20
    for url in urls:
        assert re.search(r"\.[0-9a-f]{12}\.\w+$", url), url
        assert (tmp_path / url.removeprefix("/static/")).is_file()
