"""Commands for the catalogues of translations.

python -m scripts.messages                       extract, merge, compile; `make messages`
python -m scripts.messages check                 say what is missing, exit with 1 if anything is
python -m scripts.messages untranslated es       print entries without a translation, as JSON
python -m scripts.messages all es                print all entries, as JSON
python -m scripts.messages fill es answers.json  write the answers, and compile
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from scripts.messages.catalogues import EXAMPLES, LANGUAGES, entries, po_path, texts, write
from scripts.messages.extraction import APPS, messages
from scripts.messages.rules import problems


def listed(language: str, *, everything: bool) -> list[dict[str, Any]]:
    """Return entries for a translator. `translation` is the part to fill in.

    A text that several apps use is listed once.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for app in APPS:
        known = entries(po_path(app, language))
        for key, message in sorted(messages(app).items()):
            forms = texts(known[key].string) if key in known else []
            if not everything and forms and all(forms):
                continue
            row = rows.setdefault(key, {"text": message.text, "used_in": []})
            row["used_in"] = sorted({*row["used_in"], *message.files})
            if message.context:
                row["context"] = message.context
            if message.comments:
                row["comments"] = sorted(message.comments)
            if message.plural:
                row["plural"] = message.plural
                row["numbers_of_forms"] = EXAMPLES[language]
            empty: list[str] | str = [""] * len(EXAMPLES[language]) if message.plural else ""
            row["translation"] = (
                (forms if message.plural else forms[0]) if forms and all(forms) else empty
            )
    return list(rows.values())


def fill(language: str, path: Path) -> int:
    """Write the answers that keep the rules, print the others, and return how many those are.

    A file has a list of entries as `untranslated` prints them. Only `text`, `context` and
    `translation` are read.
    """
    wanted = {key: message for app in APPS for key, message in messages(app).items()}
    answers, refused = {}, 0
    for row in json.loads(path.read_text(encoding="utf-8")):
        key = (row.get("context", ""), row["text"])
        translation = row["translation"]
        forms = translation if isinstance(translation, list) else [translation]
        if not any(forms):
            continue
        if key not in wanted:
            wrong = ["no such text in the sources"]
        else:
            wrong = problems(language, row["text"], wanted[key].plural, forms)
        if wrong:
            refused += 1
            print(f"{row['text']!r}: {'; '.join(wrong)}", file=sys.stderr)
        else:
            answers[key] = forms
    write(language, answers)
    print(f"{len(answers)} written, {refused} refused", file=sys.stderr)
    return refused


def check() -> int:
    """Print what is missing from the catalogues, and return how many entries that concerns."""
    count = 0
    for app in APPS:
        for language in LANGUAGES:
            path, missing = po_path(app, language), 0
            known = entries(path)
            for key, message in messages(app).items():
                forms = texts(known[key].string) if key in known else []
                missing += bool(problems(language, message.text, message.plural, forms))
            count += missing
            print(f"{app} {language}: {missing} missing of {len(messages(app))}")
    return count


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.messages",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("check")
    for name in ("untranslated", "all", "fill"):
        command = commands.add_parser(name)
        command.add_argument("language", choices=LANGUAGES)
        if name == "fill":
            command.add_argument("file", type=Path)
    options = parser.parse_args()
    if options.command == "check":
        return 1 if check() else 0
    if options.command == "fill":
        return 1 if fill(options.language, options.file) else 0
    if options.command:
        rows = listed(options.language, everything=options.command == "all")
        json.dump(rows, sys.stdout, ensure_ascii=False, indent=1)
        print()
        return 0
    for language in LANGUAGES:
        write(language, {})
    return 0


if __name__ == "__main__":
    sys.exit(main())
