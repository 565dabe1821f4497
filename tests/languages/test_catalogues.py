"""Catalogues belong to the sources, and translators' mistakes that a program can find."""

import gettext

import pytest
from django.conf import settings
from django.utils.translation import to_locale

from scripts.messages.catalogues import (
    LANGUAGES,
    PLURAL_FORMS,
    build,
    entries,
    merged,
    mo_bytes,
    po_bytes,
    po_path,
    texts,
)
from scripts.messages.extraction import APPS, Message, messages, python_messages, template_messages
from scripts.messages.rules import problems

CATALOGUES = [(app, language) for app in APPS for language in LANGUAGES]


def test_every_language_of_the_menu_has_catalogues():
    menu = {to_locale(code) for code, _ in settings.LANGUAGES} - {"en"}
    assert menu == set(LANGUAGES)


@pytest.mark.parametrize(("app", "language"), CATALOGUES)
def test_catalogue_has_the_texts_of_the_sources(app, language):
    """Run `make messages` if this fails."""
    path = po_path(app, language)
    catalog = merged(app, language, {})
    assert path.read_bytes() == po_bytes(catalog)
    assert path.with_suffix(".mo").read_bytes() == mo_bytes(catalog)
    assert not any(entry.fuzzy for entry in entries(path).values())


@pytest.mark.parametrize(("app", "language"), CATALOGUES)
def test_translations_keep_placeholders_and_forms(app, language):
    found = {}
    known = entries(po_path(app, language))
    for key, message in messages(app).items():
        forms = texts(known[key].string)
        if any(forms):
            found[key] = problems(language, message.text, message.plural, forms)
    assert {key: wrong for key, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(("app", "language"), CATALOGUES)
def test_every_text_is_translated(app, language):
    """`python -m scripts.messages untranslated` lists what is missing."""
    known = entries(po_path(app, language))
    missing = [text for text in messages(app) if not all(texts(known[text].string))]
    assert missing == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_plural_forms_have_a_rule(language):
    rule = PLURAL_FORMS[language]
    count, plural = (part.partition("=")[2] for part in rule.rstrip(";").split("; "))
    form = gettext.c2py(plural)
    assert {form(number) for number in range(1000)} == set(range(int(count)))


def test_texts_of_modules_and_templates_are_found(tmp_path):
    module = tmp_path / "module.py"
    module.write_text(
        '_("one")\n_("a long " "text")\nngettext("a", "b", n)\npgettext_lazy("verb", "open")\n'
        "# Translators: a colour\n_('red')\nother('no')\n"
    )
    found = {message.key: message for message in python_messages(module)}
    assert set(found) == {
        ("", "one"),
        ("", "a long text"),
        ("", "a"),
        ("verb", "open"),
        ("", "red"),
    }
    assert found["", "a"].plural == "b"
    assert found["", "red"].comments == {"Translators: a colour"}
    template = tmp_path / "page.html"
    template.write_text(
        "{% load i18n %}{% translate \"It's\" %} {% translate 'open' context 'verb' %}\n"
        "<p title=\"{% translate 'tip' %}\">{% blocktranslate count n=n trimmed %}\n  {{ n }} car"
        "{% plural %}{{ n }} cars{% endblocktranslate %} no {% url 'x' %} {{ 'y'|upper }}</p>"
    )
    found = {message.key: message.plural for message in template_messages(template)}
    assert found == {
        ("", "It's"): "",
        ("verb", "open"): "",
        ("", "tip"): "",
        ("", "%(n)s car"): "%(n)s cars",
    }


def test_compiled_catalogue_is_read_by_gettext(tmp_path):
    wanted = [Message("car", "cars"), Message("open", context="verb"), Message("missing")]
    answers = {"car": ["سيارة"] * 5 + ["سيارات"], "open": ["افتح"], "missing": []}
    catalog = build("ar", PLURAL_FORMS["ar"], wanted, lambda message: answers[message.text])
    path = tmp_path / "django.mo"
    path.write_bytes(mo_bytes(catalog))
    with path.open("rb") as file:
        read = gettext.GNUTranslations(file)
    assert read.ngettext("car", "cars", 100) == "سيارات"
    assert read.pgettext("verb", "open") == "افتح"
    assert read.gettext("missing") == "missing"


@pytest.mark.parametrize(
    ("language", "text", "plural", "forms", "wrong"),
    [
        ("de", "Hi %(name)s", "", ["Hallo %(name)s"], 0),
        ("de", "Hi %(name)s", "", ["Hallo %(nome)s"], 1),
        ("de", "Hi", "", [" Hallo"], 1),
        ("de", "Hi", "", [""], 1),
        ("de", "<b>Hi</b>", "", ["<b>Hallo</b>"], 0),
        ("de", "<b>Hi</b>", "", ["<b>Hallo"], 1),
        ("es", "Why?", "", ["¿Por qué?"], 0),
        ("es", "Why?", "", ["Por qué?"], 1),
        ("fr", "Why?", "", ["Pourquoi\u202f?"], 0),
        ("fr", "Why?", "", ["Pourquoi ?"], 1),
        ("fr", "Note: %(name)s", "", ["Note\u00a0: %(name)s"], 0),
        ("fr", "Note: %(name)s", "", ["Note: %(name)s"], 1),
        ("ar", "%(count)s car", "%(count)s cars", ["لا"] * 2 + ["%(count)s س"] * 4, 0),
        ("ar", "%(count)s car", "%(count)s cars", ["%(count)s س"] * 2, 1),
        ("ar", "%(count)s of %(n)s", "%(count)s of %(n)s", ["%(count)s"] * 6, 6),
    ],
)
def test_mistakes_of_translators_are_found(language, text, plural, forms, wrong):
    assert len(problems(language, text, plural, forms)) == wrong
