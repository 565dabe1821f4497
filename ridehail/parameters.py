"""Reading of a header's parameters in a time that grows with their length.

Python's own, with which Django reads Content-Type and REST framework Accept, counts the quotes from
the beginning at each semicolon before Python 3.13.6: 0.15 s for one request with 16 KiB of them.
"""

from email import message


def split_parameters(header: object) -> list[str]:
    """Return what semicolons part that are in no quotes, as Python's own does."""
    text = f";{header}"
    found = []
    start = 0
    while text[start : start + 1] == ";":
        start += 1
        end = _end_of_parameter(text, start)
        name, equals, value = text[start:end].partition("=")
        if equals:
            name = f"{name.strip().lower()}={value.strip()}"
        found.append(name.strip())
        start = end
    return found


def _end_of_parameter(text: str, start: int) -> int:
    quotes, counted = 0, start
    end = text.find(";", start)
    while end > start:
        quotes += text.count('"', counted, end) - text.count('\\"', counted, end)
        if quotes % 2 == 0:
            break
        counted, end = end, text.find(";", end + 1)
    return len(text) if end < 0 else end


def mend() -> None:
    """Have Django, and whoever else reads such headers, use this one."""
    vars(message)["_parseparam"] = split_parameters
