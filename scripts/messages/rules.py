"""Rules of translations that a program can check."""

import re
from typing import Final

from scripts.messages.catalogues import PLURAL_FORMS

# %(name)s, %s, {name}, and the tags of HTML.
PLACEHOLDER: Final = re.compile(r"%\(\w+\)[a-z]|%[sd]|\{\w*\}|</?\w+[^>]*>")
# A form of these numbers may say the number in a word: "one", "two".
NUMBERS: Final = frozenset({"%(count)s", "%(counter)s", "%s", "%d", "{}", "{count}"})
# Marks that French puts a no-break space before, with none or with one that breaks.
FRENCH_MARKS: Final = re.compile(r"[^\s\u00a0\u202f:/][;!?](?=\s|$)|\w:(?=\s|$)|[ ][:;!?»]|«[ \w]")


def placeholders(text: str) -> list[str]:
    return sorted(PLACEHOLDER.findall(text))


def problems(language: str, text: str, plural: str, forms: list[str]) -> list[str]:
    """Return what is wrong with the translated forms of a text; [] if nothing is."""
    expected = int(PLURAL_FORMS[language][len("nplurals=")]) if plural else 1
    if len(forms) != expected:
        return [f"{len(forms)} forms, not {expected}"]
    found = []
    for form in forms:
        if not form.strip():
            found.append("not translated")
            continue
        allowed = [placeholders(text)]
        if plural:
            numbers = [name for name in placeholders(plural) if name in NUMBERS]
            allowed = [placeholders(plural), placeholders(text)]
            # Arabic has words for one and two, and "no" for none.
            allowed += [[name for name in placeholders(plural) if name not in numbers]]
        if placeholders(form) not in allowed:
            found.append(f"placeholders {placeholders(form)}, not {allowed[0]}: {form!r}")
        for name, part in (("start", slice(None, 1)), ("end", slice(-1, None))):
            if form[part].isspace() != text[part].isspace():
                found.append(f"white space at the {name}: {form!r}")
        if language == "fr" and FRENCH_MARKS.search(form):
            found.append(f"no no-break space at a mark: {form!r}")
        if language == "es" and any(form.count(a) != form.count(b) for a, b in ("¿?", "¡!")):
            found.append(f"no inverted mark: {form!r}")
        if text.count("\n") != form.count("\n"):
            found.append(f"another number of lines: {form!r}")
    return found
