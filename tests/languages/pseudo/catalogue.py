"""A language for tests: English with accents, in brackets, and 40 % longer.

Its catalogue takes the way of every language: a .po file, compiled into a .mo.
"""

import re
from pathlib import Path
from typing import Final

import django
from babel.messages.pofile import read_po

from scripts.messages.catalogues import build, mo_bytes, po_bytes, texts
from scripts.messages.extraction import APPS, Message, messages
from scripts.messages.rules import PLACEHOLDER

LANGUAGE: Final = "en_XA"
PLURAL_FORMS: Final = "nplurals=2; plural=(n != 1);"
LETTERS: Final = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "åƀçðéƒĝĥîĵķļɱñöþǫŕšţûṽŵẋýžÅƁÇÐÉƑĜĤÎĴĶĻṀÑÖÞǪŔŠŢÛṼŴẊÝŽ",
)
# Also an escaped percent sign, and an entity.
KEPT: Final = re.compile(rf"({PLACEHOLDER.pattern}|%%|&\w+;)")
LONGER: Final = 0.4


def pseudo(text: str) -> str:
    """Return the text as in the pseudo-language: "[Ŝţöþ šĥåŕîñĝ ~~~~~]"."""
    parts = KEPT.split(text)
    accented = "".join(
        part if number % 2 else part.translate(LETTERS) for number, part in enumerate(parts)
    )
    start, end = re.match(r"(\s*).*?(\s*)\Z", accented, re.DOTALL).groups()
    # In words, so that lines may break.
    tildes = max(1, round(sum(map(len, parts[::2])) * LONGER))
    padding = " ".join("~" * min(6, tildes - done) for done in range(0, tildes, 6))
    return f"{start}[{accented.strip()} {padding}]{end}"


def write(folder: Path) -> None:
    """Write the catalogue, of our texts and of Django's, into a folder for LOCALE_PATHS."""
    wanted = {key: message for app in APPS for key, message in messages(app).items()}
    for path in sorted(Path(django.__file__).parent.glob("**/locale/en/LC_MESSAGES/django.po")):
        with path.open("rb") as file:
            for entry in read_po(file):
                if entry.id:
                    text, *plural = texts(entry.id)
                    message = Message(text, "".join(plural), entry.context or "")
                    wanted.setdefault(message.key, message)
    catalog = build(LANGUAGE, PLURAL_FORMS, wanted.values(), translate)
    path = folder / LANGUAGE / "LC_MESSAGES" / "django.po"
    path.parent.mkdir(parents=True)
    path.write_bytes(po_bytes(catalog))
    path.with_suffix(".mo").write_bytes(mo_bytes(catalog))


def translate(message: Message) -> list[str]:
    return [pseudo(text) for text in (message.text, message.plural) if text]
