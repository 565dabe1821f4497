"""Texts that no page of `test_pseudo.py` shows are marked: mails, exports, messages and errors.

They are made in the pseudo-language of `pseudo/catalogue.py`, whose texts are in brackets: nothing
but data may be left outside of them.
"""

import html
import re
from html.parser import HTMLParser
from io import BytesIO
from zipfile import ZipFile

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.messages import get_messages
from django.core import mail
from django.forms import ChoiceField, ModelChoiceField
from django.urls import reverse
from django.utils import timezone, translation

from tests.screens.stage import DISPATCHER, DRIVER, DRIVERS, FIRST, OTHER, RIDER, ROWS
from tracking.history import export
from tracking.history.export_readme import COLUMNS
from tracking.models import WebhookEndpoint
from tracking.webhooks.mails import send_mail

from .pseudo import catalogue

User = get_user_model()
TEXT = re.compile(r"\[[^\[\]]*\]")
WORD = re.compile(r"[A-Za-z]{2,}")
# Data: names of files, fields and types, addresses, tokens, ids, and numbers with their units.
DATA = re.compile(r"\S*[\d_./@:#]\S*|[a-z]+(-[a-z]+)+|UTC|km|min|ago|REST|GPX|CSV|JSON|Greek")
SITES = {
    site.opts.label_lower: site
    for site in admin.site._registry.values()
    if site.opts.app_label in ("accounts", "tracking")
}
ACTIONS = [(label, name) for label, site in SITES.items() for name in sorted(site.actions or ())]


@pytest.fixture(scope="module")
def locales(tmp_path_factory):
    folder = tmp_path_factory.mktemp("locale")
    catalogue.write(folder)
    return folder


@pytest.fixture(autouse=True)
def _pseudo(locales, settings):
    settings.LOCALE_PATHS = [str(locales)]
    settings.LANGUAGES = [*settings.LANGUAGES, ("en-xa", "Pseudo")]


@pytest.fixture
def rows(db):
    """Create the people and the data that the screens have. Return a client of a superuser."""
    roles = {RIDER: "rider", OTHER: "rider", DRIVER: "driver", DISPATCHER: "dispatcher"}
    roles |= dict.fromkeys(range(FIRST, FIRST + DRIVERS), "driver")
    for pk, role in roles.items():
        User.objects.create(pk=pk, email=f"{pk}@example.org", name="Δέλτα", role=role)
    exec(ROWS, {})


@pytest.fixture
def staff(rows, client):
    client.force_login(User.objects.create_superuser(email="staff@example.org", name="Δέλτα"))
    return lambda method, path, data=None: getattr(client, method)(
        path, data or {}, headers={"Accept-Language": "en-xa"}
    )


def unmarked(text):
    """Return the words outside of the brackets that are not data."""
    inside = None
    while inside != text:
        inside, text = text, TEXT.sub(" ", text)
    return [word for word in text.split() if WORD.search(word) and not DATA.fullmatch(word)]


class Content(HTMLParser):
    """The texts of a page's content, without what scripts and people write."""

    def __init__(self, page):
        super().__init__()
        self.texts, self.hidden = [], 0
        self.feed(page[page.index('<div id="content"') : page.index('id="footer"')])

    def handle_starttag(self, tag, attributes):
        self.hidden += tag in ("script", "style", "bdi", "code", "option")
        values = dict(attributes)
        if tag == "input" and values.get("type") == "submit":
            self.texts.append(values.get("value", ""))

    def handle_endtag(self, tag):
        self.hidden -= tag in ("script", "style", "bdi", "code", "option")

    def handle_data(self, data):
        if not self.hidden:
            self.texts.append(data)


def test_words_outside_of_brackets_are_found():
    assert unmarked("[Ŝţöþ 2 [ñëŵ] ~~] Plain [Ô~] holds.csv 42 km") == ["Plain"]


@pytest.mark.django_db(transaction=True)
def test_mails(settings):
    settings.ADMINS, settings.LANGUAGE_CODE = [("Admin", "admin@example.org")], "en-xa"
    reasons = WebhookEndpoint.DisabledReason
    for reason in reasons:
        WebhookEndpoint.objects.create(
            url="https://example.org/",
            secret="x" * 32,
            disabled_reason=reason,
            disabled_at=timezone.now(),
            mail_due_at=timezone.now(),
        )
        send_mail()
    assert len(mail.outbox) == len(reasons)
    for message in mail.outbox:
        assert unmarked(f"{message.subject}\n{message.body}") == []
        assert message.subject.removeprefix(settings.EMAIL_SUBJECT_PREFIX).startswith("[")


@pytest.mark.parametrize("days", [0, 60])
def test_readme_of_an_export(rows, settings, days):
    kept = {"HISTORY": "all" if days else "off", "HISTORY_DAYS": days, "ACCESS_LOG_DAYS": days}
    settings.TRACKING = settings.TRACKING | kept
    for driver_id in (FIRST, OTHER):
        file = BytesIO()
        with translation.override("en-xa"):
            export(driver_id, file)
        text = ZipFile(file).read("README.txt").decode("utf-8-sig")
        assert set(unmarked(text)) <= set(COLUMNS)


@pytest.mark.parametrize(("label", "action"), ACTIONS, ids=lambda value: str(value))
def test_messages_and_questions_of_an_action(staff, label, action):
    site = SITES[label]
    path = reverse(f"admin:{label.replace('.', '_')}_changelist")
    pk = site.model._base_manager.order_by("pk").first().pk
    data = {"action": action, "_selected_action": [pk]}
    for more in ({}, {"post": "yes"}, {"post": "yes"}):
        response = staff("post", path, data | more)
        if response.streaming:
            continue
        if response.status_code == 200:
            found = [unmarked(text) for text in Content(response.content.decode()).texts]
            assert [words for words in found if words] == []
        for message in get_messages(response.wsgi_request):
            assert unmarked(html.unescape(str(message))) == [], str(message)


NONSENSE = ["", "x", "-1", "http://example.org/#x", "https://user@example.org/", "9" * 400]


def answer(field, value):
    """Return a value for a form's field: nonsense, or a choice that there is."""
    if isinstance(field, ModelChoiceField):
        # Django's own field fails with an error of the server on other ids.
        return "99999" if value else ""
    if isinstance(field, ChoiceField) and value:
        return next(str(choice) for choice, _ in reversed(list(field.choices)))
    return value


@pytest.mark.parametrize("label", SITES)
def test_errors_of_a_form(staff, label):
    name = label.replace(".", "_")
    site = SITES[label]
    paths = [reverse(f"admin:{name}_add")]
    row = site.model._base_manager.order_by("pk").first()
    if row is not None:
        paths.append(reverse(f"admin:{name}_change", args=[row.pk]))
    for path in paths:
        page = staff("get", path)
        if page.status_code != 200 or "adminform" not in page.context:
            continue
        fields = page.context["adminform"].form.fields
        for value in NONSENSE:
            data = {name: answer(field, value) for name, field in fields.items()}
            response = staff("post", path, data)
            if response.status_code != 200 or "adminform" not in response.context:
                continue
            for texts in response.context["adminform"].form.errors.values():
                for text in texts:
                    assert unmarked(html.unescape(str(text))) == [], text
