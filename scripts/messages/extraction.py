"""The texts of the sources that are marked for translation."""

import ast
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from babel.messages.extract import extract
from django.utils.translation.template import templatize

ROOT: Final = Path(__file__).parents[2]
APPS: Final = ("accounts", "ridehail", "tracking")

PLAIN: Final = (1,)
PLURAL: Final = (1, 2)
CONTEXT: Final = ((1, "c"), 2)
CONTEXT_PLURAL: Final = ((1, "c"), 2, 3)
# Functions by the places of their texts.
KEYWORDS: Final = {
    "_": PLAIN,
    "gettext": PLAIN,
    "gettext_lazy": PLAIN,
    "gettext_noop": PLAIN,
    "ngettext": PLURAL,
    "ngettext_lazy": PLURAL,
    "ngettext_noop": PLURAL,
    "pgettext": CONTEXT,
    "pgettext_lazy": CONTEXT,
    "npgettext": CONTEXT_PLURAL,
    "npgettext_lazy": CONTEXT_PLURAL,
}
# What `templatize` writes for a text: a call whose arguments are literals, and maybe `count`.
STRING: Final = r"""u?(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")"""
CALL: Final = re.compile(
    rf"(?<!\w)(?P<name>_|n?p?gettext)\(\s*(?P<texts>{STRING}(?:\s*,\s*{STRING})*)"
)


@dataclass
class Message:
    """A text, by its context and its wording in English."""

    text: str
    plural: str = ""
    context: str = ""
    files: set[str] = field(default_factory=set)
    comments: set[str] = field(default_factory=set)

    @property
    def key(self) -> tuple[str, str]:
        return self.context, self.text


def messages(app: str) -> dict[tuple[str, str], Message]:
    """Return the marked texts of an app by their keys."""
    found: dict[tuple[str, str], Message] = {}
    for path in sorted((ROOT / app).rglob("*")):
        if path.suffix == ".py" and "migrations" not in path.parts:
            read = python_messages(path)
        elif path.suffix in {".html", ".txt"} and "templates" in path.parts:
            read = template_messages(path)
        else:
            continue
        for message in read:
            known = found.setdefault(message.key, message)
            if known.plural and message.plural and known.plural != message.plural:
                raise ValueError(f"{path}: {message.text!r} has two plurals")
            known.plural = known.plural or message.plural
            known.comments |= message.comments
            known.files.add(path.relative_to(ROOT).as_posix())
    return found


def python_messages(path: Path) -> Iterator[Message]:
    """Yield the texts of a module."""
    source = io.BytesIO(path.read_bytes())
    tags = ["Translators:"]
    for _, texts, comments, context in extract("python", source, KEYWORDS, tags):
        text, plural = (texts[0], texts[1]) if isinstance(texts, tuple) else (texts, "")
        yield Message(text, plural, context or "", comments=set(comments))


def template_messages(path: Path) -> Iterator[Message]:
    """Yield the texts of a template."""
    source = templatize(path.read_text(encoding="utf-8"), origin=str(path))
    for call in CALL.finditer(source):
        texts = [ast.literal_eval(text) for text in re.findall(STRING, call["texts"])]
        context = texts.pop(0) if "pgettext" in call["name"] else ""
        plural = texts[1] if call["name"].startswith("n") else ""
        yield Message(texts[0], plural, context)
