"""Files of translations: `locale/<language>/LC_MESSAGES/django.po` of an app, and its `.mo`."""

import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from babel.messages import Catalog as BabelCatalog
from babel.messages import Message as Entry
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from scripts.messages.extraction import APPS, ROOT, Message, messages

# Languages by the names of their directories, with the rule that counts their plural forms. The
# rules of Spanish, French and Portuguese leave out the form of whole millions.
PLURAL_FORMS: Final = {
    "ar": "nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : "
    "n%100>=11 && n%100<=99 ? 4 : 5);",
    "de": "nplurals=2; plural=(n != 1);",
    "es": "nplurals=2; plural=(n != 1);",
    "fr": "nplurals=2; plural=(n > 1);",
    "hi": "nplurals=2; plural=(n > 1);",
    "id": "nplurals=1; plural=0;",
    "pt_BR": "nplurals=2; plural=(n > 1);",
}
# A number of each plural form, in their order, for translators.
EXAMPLES: Final = {
    "ar": ["0", "1", "2", "3-10", "11-99", "100"],
    "de": ["1", "0, 2"],
    "es": ["1", "0, 2"],
    "fr": ["0, 1", "2"],
    "hi": ["0, 1", "2"],
    "id": ["0, 1, 2"],
    "pt_BR": ["0, 1", "2"],
}
LANGUAGES: Final = tuple(PLURAL_FORMS)


class Catalog(BabelCatalog):
    """A catalogue whose header says nothing that changes from run to run."""

    def __init__(self, language: str, plural_forms: str) -> None:
        super().__init__(header_comment="", fuzzy=False)
        self.language, self.rule = language, plural_forms
        self.forms = int(plural_forms.removeprefix("nplurals=").partition(";")[0])

    @property
    def num_plurals(self) -> int:
        return self.forms

    def _headers(self) -> list[tuple[str, str]]:
        return [
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
            ("Language", self.language),
            ("Plural-Forms", self.rule),
        ]

    # Babel sets the header from its first message while it reads; ours never changes.
    mime_headers = property(_headers, lambda self, headers: None)  # type: ignore[assignment]


def po_path(app: str, language: str) -> Path:
    return ROOT / app / "locale" / language / "LC_MESSAGES" / "django.po"


def entries(path: Path) -> dict[tuple[str, str], Entry]:
    """Return the entries of a .po file by their keys, without its header."""
    if not path.exists():
        return {}
    with path.open("rb") as file:
        catalog = read_po(file, ignore_obsolete=True)
    return {key(entry): entry for entry in catalog if entry.id}


def key(entry: Entry) -> tuple[str, str]:
    return entry.context or "", texts(entry.id)[0]


def texts(value: Any) -> list[str]:
    """Return the forms of a msgid or msgstr as a list."""
    return [text or "" for text in value] if isinstance(value, tuple | list) else [value or ""]


def build(
    language: str,
    plural_forms: str,
    wanted: Iterable[Message],
    translate: Callable[[Message], list[str]],
) -> Catalog:
    """Return a catalogue of `wanted` with the forms that `translate` returns, [] for none."""
    catalog = Catalog(language, plural_forms)
    for message in wanted:
        forms = translate(message)
        if message.plural:
            forms = (forms + [""] * catalog.forms)[: catalog.forms]
        catalog.add(
            (message.text, message.plural) if message.plural else message.text,
            tuple(forms) if message.plural else "".join(forms[:1]),
            locations=[(file, None) for file in sorted(message.files)],
            auto_comments=sorted(message.comments),
            flags=("python-format",) if "%(" in message.text else (),
            context=message.context or None,
        )
    return catalog


def po_bytes(catalog: Catalog) -> bytes:
    file = io.BytesIO()
    write_po(file, catalog, width=100, sort_output=True, ignore_obsolete=True)
    return file.getvalue().strip() + b"\n"


def mo_bytes(catalog: Catalog) -> bytes:
    file = io.BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def merged(app: str, language: str, answers: dict[tuple[str, str], list[str]]) -> Catalog:
    """Return the catalogue of the sources' texts, with the file's translations and `answers`.

    A translation is kept if its text is unchanged. If the plural was added or changed, it is not.
    """
    known = entries(po_path(app, language))

    def translate(message: Message) -> list[str]:
        if message.key in answers:
            return answers[message.key]
        entry = known.get(message.key)
        if entry is None or entry.fuzzy:
            return []
        same = texts(entry.id) == [message.text, *([message.plural] if message.plural else [])]
        return texts(entry.string) if same else []

    return build(language, PLURAL_FORMS[language], messages(app).values(), translate)


def write(language: str, answers: dict[tuple[str, str], list[str]]) -> None:
    """Write the files of a language."""
    for app in APPS:
        catalog = merged(app, language, answers)
        path = po_path(app, language)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(po_bytes(catalog))
        path.with_suffix(".mo").write_bytes(mo_bytes(catalog))
