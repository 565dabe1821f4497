"""Hiding tokens, credentials, rows and locations in logged text.

Logged text may contain anything that a client sent. So each step reads every character a bounded
number of times, whatever the text.
"""

import binascii
import re
from collections.abc import Callable
from typing import Final

# Characters. Longer texts are cut, which bounds the search.
MAX_TEXT_LENGTH: Final = 32 * 1024

HIDDEN: Final = "[hidden]"

# Characters that a faulty client puts into the middle of a secret: blanks, a plus, a line break.
GAP: Final = r"[\s+]{0,8}"

# Rows that PostgreSQL quotes in its errors, which may contain a location.
ROWS: Final = (re.compile(r"(DETAIL:  ).+"), re.compile(r"(CONTEXT:  ).+"))

# A device's token, or the secret of a share link, with what may be the rest of it behind gaps.
DEVICE: Final = re.compile(
    rf"[tT]{GAP}[rR]{GAP}[kKsS]{GAP}_{GAP}([a-zA-Z2-7]++)((?:[\s+]{{1,8}}[a-zA-Z2-7]++){{0,31}}+)"
)
DEVICE_PIECE: Final = re.compile(r"[a-zA-Z2-7]+")
# Characters after the prefix. A part of a token with fewer than the minimum reveals nothing.
DEVICE_TOKEN_LENGTH: Final = 32
MIN_DEVICE_LENGTH: Final = 8

# Every JSON Web Token begins like this.
TOKEN: Final = re.compile(r"eyJ[\w.-]*+")
# Lengths of a signature with HS256, HS384 and HS512, in characters.
SIGNATURES: Final = (43, 64, 86)

# The word Basic and what follows, unless that is another word.
BASIC: Final = re.compile(r"""[bB][aA][sS][iI][cC][\s+:='"]{1,8}(?![a-zA-Z]{1,15}\b)[\w/-]++=*""")
# Base64 that may be credentials, without the word Basic.
BASE64: Final = re.compile(r"[A-Za-z0-9]{8,}+")
# A run of a device token's characters. In decoded base64 of MIN_BASE64 characters or more, such a
# run is no coincidence.
BASE32: Final = re.compile(rb"[a-zA-Z2-7]{16}")
MIN_BASE64: Final = 24
# Shorter base64 with a colon in it counts as credentials only if it continues behind a gap.
MIN_CREDENTIALS: Final = 16

# A piece of a secret after a gap, up to the next gap or the end of the value; and a series of such
# pieces that look like neither words nor numbers.
_PIECE: Final = r"""[\w./-]++=*(?=[\s+&"'`,;)}\]\\]|\Z)"""
_MIXED: Final = r"(?=[\w./-]*?(?:[a-z][A-Z0-9]|[0-9][A-Za-z]|[A-Z]{2}[a-z]|[A-Z][0-9]))"
PIECE: Final = re.compile(rf"[\s+]{{1,8}}({_PIECE})")
REST: Final = re.compile(rf"(?:[\s+]{{1,8}}{_MIXED}{_PIECE})*+")

# Latitude and longitude in a fix's representation, in JSON or in a query string. Traccar Client may
# send both as one value.
_DEGREES: Final = r"""[-+]?\.?\d[^\s,)}\]&\\'"]*+"""
_EQUALS: Final = rf"""[\\'"]{{0,8}}\s{{0,8}}[=:]{GAP}[\\'"]{{0,8}}{GAP}"""
LOCATION: Final = re.compile(
    rf"([lL](?:(?:at|AT|on|ON)(?:itude|ITUDE|gitude|GITUDE)?{_EQUALS}(?={_DEGREES})"
    rf"|ocation{_EQUALS}[(\[]?(?={_DEGREES}\s{{0,8}},{GAP}{_DEGREES})))"
    rf"{_DEGREES}(?:\s{{0,8}},{GAP}{_DEGREES})?"
    # The rest of a value with a gap in it, which can be recognized in a query string only.
    r"(?:[\s+][-\d.]++(?=&|\sHTTP/))*+"
)

# One percent sign, however often the URL was quoted as a whole.
PERCENT: Final = re.compile(r"%(?:25)+")
ESCAPE: Final = re.compile(
    # Not the t of \\trk_ or \\trs_, nor the first letter of a JSON Web Token.
    r"%([0-7](?!eyJ)[0-9a-fA-F])|\\{1,4}(?:u00|x)([0-7](?!eyJ)[0-9a-fA-F])|\\{1,4}([nr]|t(?![rR][kKsS]))"
)
# Quoting may also be nested in other ways, such as the 5 of %25 alone; more often than this is
# not plausible.
MAX_PASSES: Final = 4
CHARACTERS: Final = {
    spelling: chr(code) if 0x20 <= code < 0x7F else " "
    for code in range(0x80)
    for spelling in (f"{code:02x}", f"{code:02X}")
} | dict.fromkeys("nrt", " ")


def hide_secrets(text: str) -> str:
    """Return `text` without tokens, rows and locations, cut after `MAX_TEXT_LENGTH` characters.

    Text that contains a secret, also one that only shows once it is unquoted, is returned unquoted.
    """
    more = len(text) - MAX_TEXT_LENGTH
    end = f" [{more} more characters]" if more > 0 else ""
    text = text[:MAX_TEXT_LENGTH]
    unquoted = _unquote(text)
    hidden = _hide(unquoted)
    return (text if hidden == unquoted else hidden) + end


def _unquote(text: str) -> str:
    """Return `text` with URL, JSON and Python escapes of ASCII characters decoded.

    Control characters become blanks, so that no client can start a new line in the log.
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
    text = _hide_each(TOKEN, _check_token, text)
    text = _hide_each(BASIC, _check_basic, text)
    text = _hide_each(BASE64, _check_base64, text)
    text = _hide_each(DEVICE, _check_device, text)
    return LOCATION.sub(rf"\1{HIDDEN}", text)


def _hide_each(
    pattern: re.Pattern[str], check: Callable[[str, re.Match[str]], tuple[bool, int]], text: str
) -> str:
    """Hide the matches of `pattern` that are secrets.

    `check` takes the text and a match; it returns whether this is a secret, and where it ends.
    """
    shown, shown_until = [], 0
    found = pattern.search(text)
    while found:
        is_secret, end = check(text, found)
        if is_secret:
            shown += [text[shown_until : found.start()], HIDDEN]
            shown_until = end
        found = pattern.search(text, end)
    return "".join([*shown, text[shown_until:]])


def _check_token(text: str, found: re.Match[str]) -> tuple[bool, int]:
    """Check a JSON Web Token, which contains a dot.

    One with two dots and a whole signature does not continue behind a gap.
    """
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


def _check_basic(text: str, found: re.Match[str]) -> tuple[bool, int]:
    return True, _end_of_rest(text, found.end())


def _check_base64(text: str, found: re.Match[str]) -> tuple[bool, int]:
    """Check base64, which is a secret if it encodes text with a colon, or a device's token."""
    run, end = found[0], found.end()
    decoded = _from_base64(run)
    if b":" in decoded and decoded.isascii() and decoded.decode().isprintable():
        _, end = _check_basic(text, found)
        return len(run) >= MIN_CREDENTIALS or end > found.end(), end
    if len(run) >= MIN_BASE64 and any(
        # The token may start at any offset in the decoded bytes.
        BASE32.search(_from_base64(run[start:]))
        for start in range(4)
    ):
        return _check_basic(text, found)
    return False, end


def _from_base64(run: str) -> bytes:
    return binascii.a2b_base64(run[: len(run) // 4 * 4])


def _check_device(text: str, found: re.Match[str]) -> tuple[bool, int]:
    """Check a device's token, which is complete once its pieces add up to its length."""
    length = len(found[1])
    if length < DEVICE_TOKEN_LENGTH and found[2]:
        together = length
        for piece in DEVICE_PIECE.finditer(text, *found.span(2)):
            together += len(piece[0])
            if together == DEVICE_TOKEN_LENGTH:
                return True, piece.end()
    return length >= MIN_DEVICE_LENGTH, found.start(1) + min(length, DEVICE_TOKEN_LENGTH)
