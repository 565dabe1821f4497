"""Hiding of tokens, credentials, rows and locations in text that is logged.

What is logged may come from anybody. So each step looks at a character a bounded number of times,
whatever stands there.
"""

import binascii
import re
from collections.abc import Callable
from typing import Final

# Longer texts are cut: nobody reads them, and what is searched is bounded.
MAX_TEXT: Final = 32 * 1024

HIDDEN: Final = "[hidden]"

# What a client's fault puts into the middle of a secret: blanks, a plus, a line break.
GAP: Final = r"[\s+]{0,8}"

# Rows that PostgreSQL quotes when it refuses them, which have a location.
ROWS: Final = (re.compile(r"(DETAIL:  ).+"), re.compile(r"(CONTEXT:  ).+"))

# Devices' tokens, with what may be the rest of them behind gaps.
DEVICE: Final = re.compile(
    rf"[tT]{GAP}[rR]{GAP}[kK]{GAP}_{GAP}([a-zA-Z2-7]++)((?:[\s+]{{1,8}}[a-zA-Z2-7]++){{0,31}}+)"
)
PIECE_OF_DEVICE: Final = re.compile(r"[a-zA-Z2-7]+")
# Characters behind the prefix. Of those that were cut, fewer tell nothing.
LENGTH_OF_DEVICE: Final = 32
MIN_OF_DEVICE: Final = 8

# What begins as each JSON Web Token does.
TOKEN: Final = re.compile(r"eyJ[\w.-]*+")
# Characters of a signature: of HS256, HS384, HS512.
SIGNATURES: Final = (43, 64, 86)

# What follows the word Basic, unless it is another word.
BASIC: Final = re.compile(r"""[bB][aA][sS][iI][cC][\s+:='"]{1,8}(?![a-zA-Z]{1,15}\b)[\w/-]++=*""")
# What may be credentials in base64, without that word.
BASE64: Final = re.compile(r"[A-Za-z0-9]{8,}+")
# What a device's token is made of: so much of it, in what is so long in base64, is no coincidence.
BASE32: Final = re.compile(rb"[a-zA-Z2-7]{16}")
MIN_BASE64: Final = 24
# Where a name and a password are shorter, it is one if it goes on behind a gap.
MIN_CREDENTIALS: Final = 16

# What comes after a gap in a secret, up to the next one or the end of a value; and as many of them
# as look like neither words nor numbers.
_PIECE: Final = r"""[\w./-]++=*(?=[\s+&"'`,;)}\]\\]|\Z)"""
_MIXED: Final = r"(?=[\w./-]*?(?:[a-z][A-Z0-9]|[0-9][A-Za-z]|[A-Z]{2}[a-z]|[A-Z][0-9]))"
PIECE: Final = re.compile(rf"[\s+]{{1,8}}({_PIECE})")
REST: Final = re.compile(rf"(?:[\s+]{{1,8}}{_MIXED}{_PIECE})*+")

# Latitude and longitude in what is shown as a fix, as JSON, or as a query string. Traccar Client
# may send both as one.
_DEGREES: Final = r"""[-+]?\.?\d[^\s,)}\]&\\'"]*+"""
_EQUALS: Final = rf"""[\\'"]{{0,8}}\s{{0,8}}[=:]{GAP}[\\'"]{{0,8}}{GAP}"""
LOCATION: Final = re.compile(
    rf"([lL](?:(?:at|AT|on|ON)(?:itude|ITUDE|gitude|GITUDE)?{_EQUALS}(?={_DEGREES})"
    rf"|ocation{_EQUALS}[(\[]?(?={_DEGREES}\s{{0,8}},{GAP}{_DEGREES})))"
    rf"{_DEGREES}(?:\s{{0,8}},{GAP}{_DEGREES})?"
    # Cut in two by a gap, which it is known by in a query string only.
    r"(?:[\s+][-\d.]++(?=&|\sHTTP/))*+"
)

# However often a URL was quoted as a whole, this is one percent sign.
PERCENT: Final = re.compile(r"%(?:25)+")
ESCAPE: Final = re.compile(
    # Not the t of \\trk_, nor the first letter of a token.
    r"%([0-7](?!eyJ)[0-9a-fA-F])|\\{1,4}(?:u00|x)([0-7](?!eyJ)[0-9a-fA-F])|\\{1,4}([nr]|t(?![rR][kK]))"
)
# So many times in other ways, such as the 5 of %25 alone: more than anybody does it.
MAX_PASSES: Final = 4
CHARACTERS: Final = {
    spelling: chr(code) if 0x20 <= code < 0x7F else " "
    for code in range(0x80)
    for spelling in (f"{code:02x}", f"{code:02X}")
} | dict.fromkeys("nrt", " ")


def hide_secrets(text: str) -> str:
    """Return `text` without tokens, rows and locations, and cut after `MAX_TEXT` characters.

    Where a secret shows only once the text is unquoted, it is returned unquoted.
    """
    more = len(text) - MAX_TEXT
    end = f" [{more} more characters]" if more > 0 else ""
    text = text[:MAX_TEXT]
    unquoted = _unquote(text)
    hidden = _hide(unquoted)
    return (text if hidden == unquoted else hidden) + end


def _unquote(text: str) -> str:
    """Return `text` without the escapes of URLs, JSON and Python that stand for ASCII.

    Control characters become blanks: no line in the log begins where a stranger wants it to.
    """
    if "%" not in text and "\\" not in text:
        return text
    for _ in range(MAX_PASSES):
        before, text = text, ESCAPE.sub(_character, PERCENT.sub("%", text))
        if text == before:
            break
    return text


def _character(escape: re.Match[str]) -> str:
    return CHARACTERS[escape[escape.lastindex or 0]]


def _hide(text: str) -> str:
    for row in ROWS:
        text = row.sub(rf"\1{HIDDEN}", text)
    text = _hide_each(TOKEN, _judge_token, text)
    text = _hide_each(BASIC, _judge_basic, text)
    text = _hide_each(BASE64, _judge_base64, text)
    text = _hide_each(DEVICE, _judge_device, text)
    return LOCATION.sub(rf"\1{HIDDEN}", text)


def _hide_each(
    pattern: re.Pattern[str], judge: Callable[[str, re.Match[str]], tuple[bool, int]], text: str
) -> str:
    """Hide what the pattern finds, if it is a secret: `judge` says so, and where it ends."""
    shown, shown_until = [], 0
    found = pattern.search(text)
    while found:
        is_secret, end = judge(text, found)
        if is_secret:
            shown += [text[shown_until : found.start()], HIDDEN]
            shown_until = end
        found = pattern.search(text, end)
    return "".join([*shown, text[shown_until:]])


def _judge_token(text: str, found: re.Match[str]) -> tuple[bool, int]:
    """A token has a dot in it. One with two and a whole signature has no rest behind a gap."""
    if _is_whole(found[0]):
        return True, found.end()
    end = _end_of_rest(text, found.end())
    piece = PIECE.match(text, end)
    if piece and _is_whole(text[found.start() : piece.end()]):
        end = piece.end()
    return "." in text[found.start() : end], end


def _is_whole(token: str) -> bool:
    before, _, signature = token.rpartition(".")
    return "." in before and len("".join(signature.replace("+", " ").split())) in SIGNATURES


def _end_of_rest(text: str, start: int) -> int:
    rest = REST.match(text, start)
    return rest.end() if rest else start


def _judge_basic(text: str, found: re.Match[str]) -> tuple[bool, int]:
    return True, _end_of_rest(text, found.end())


def _judge_base64(text: str, found: re.Match[str]) -> tuple[bool, int]:
    """Base64 is a secret if it stands for text with a colon, or for a device's token."""
    run, end = found[0], found.end()
    decoded = _from_base64(run)
    if b":" in decoded and decoded.isascii() and decoded.decode().isprintable():
        _, end = _judge_basic(text, found)
        return len(run) >= MIN_CREDENTIALS or end > found.end(), end
    if len(run) >= MIN_BASE64 and any(
        # Of what stands before it nobody knows how long it is.
        BASE32.search(_from_base64(run[start:]))
        for start in range(4)
    ):
        return _judge_basic(text, found)
    return False, end


def _from_base64(run: str) -> bytes:
    return binascii.a2b_base64(run[: len(run) // 4 * 4])


def _judge_device(text: str, found: re.Match[str]) -> tuple[bool, int]:
    """A device's token is whole where the pieces have its length together."""
    length = len(found[1])
    if length < LENGTH_OF_DEVICE and found[2]:
        together = length
        for piece in PIECE_OF_DEVICE.finditer(text, *found.span(2)):
            together += len(piece[0])
            if together == LENGTH_OF_DEVICE:
                return True, piece.end()
    return length >= MIN_OF_DEVICE, found.start(1) + min(length, LENGTH_OF_DEVICE)
