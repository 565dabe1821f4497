"""Parsing header parameters in linear time, for Python before 3.13.6.

Python's own parser, which Django uses for Content-Type and REST framework for Accept, there counts
the quotes from the beginning at each semicolon: 0.15 s for one request with 16 KiB of them.
"""

from email import message


def split_parameters(header: object) -> list[str]:
    """Split a header at the semicolons outside quotes, with the results of Python's own parser."""
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


def install() -> None:
    """Replace the parser of `email.message`, which Django and others use, by this one."""
    vars(message)["_parseparam"] = split_parameters
