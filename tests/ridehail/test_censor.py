"""Secrets are hidden in every spelling, and other text is not."""

import base64

import jwt
import pytest

from ridehail.censor import hide_secrets

DEVICE = "trk_q3zx5jw2mfk7b4nvh6tyedcspalogiru"
TOKEN = jwt.encode(
    {"id": 19, "exp": 1893456000, "token_type": "access"}, "k" * 40, algorithm="HS256"
)
SHARE = DEVICE.replace("trk_", "trs_")
BASE64 = base64.b64encode(f"phone:{DEVICE}".encode()).decode()

AROUND = ["before {} after", "GET /?id={}&speed=3 HTTP/1.1", "'{}'", 'Authorization: "{}", ']
GAPS = [" ", "+", "%20", "%2B", "%2520", "\t", "%09", "\n", "\r\n  ", "%0D%0A", r"\n", r"\r\n"]


def parts(secret, shown, length=5):
    """Return the pieces of `length` characters of the secret that are shown."""
    pieces = {secret[start : start + length].lower() for start in range(len(secret) - length + 1)}
    return [piece for piece in pieces if piece in shown.lower()]


def quoted(text, *positions, times=1):
    """Return `text` with the characters at `positions` URL-quoted `times` times."""
    percent = "%" + "25" * (times - 1)
    return "".join(
        f"{percent}{ord(character):02{'x' if index % 2 else 'X'}}"
        if index in positions
        else character
        for index, character in enumerate(text)
    )


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize(
    "secret",
    [DEVICE, DEVICE.upper(), SHARE, TOKEN],
    ids=["device", "DEVICE", "share", "token"],
)
def test_token_broken_anywhere_is_hidden_and_the_text_around_it_is_not(secret, around, gap):
    before, after = around.split("{}")
    # The first part is the same for all tokens.
    revealing = secret.partition(".")[2] or secret
    for position in range(1, len(secret)):
        broken = secret[:position] + gap + secret[position:]
        shown = hide_secrets(before + broken + after)
        assert parts(revealing, shown) == [], position
        assert (shown.startswith(before), shown.endswith(after)) == (True, True), position


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("around", AROUND)
def test_credentials_broken_anywhere_show_only_the_name(around, gap):
    token = BASE64[8:]  # after the name and the colon
    for position in range(1, len(BASE64)):
        shown = hide_secrets(around.format(BASE64[:position] + gap + BASE64[position:]))
        assert parts(token, shown) == [], position


@pytest.mark.parametrize("times", [1, 2, 3, 9])
@pytest.mark.parametrize("secret", [DEVICE, DEVICE.upper(), SHARE, TOKEN, BASE64])
def test_token_with_escaped_characters_is_hidden(secret, times):
    revealing = secret.partition(".")[2] or secret
    for position in range(len(secret)):
        shown = hide_secrets(f"/?a=b&id={quoted(secret, position, times=times)}&c=d")
        assert parts(revealing, shown) == [], position
        assert shown.startswith("/?a=b&id=")
        assert shown.endswith("&c=d")
    all_of_it = quoted(secret, *range(len(secret)), times=times)
    assert hide_secrets(f"/?id={all_of_it}&c=d") == "/?id=[hidden]&c=d"


@pytest.mark.parametrize(
    "spelling",
    [
        "%%37%34rk_" + DEVICE[4:],
        "%2%35%37%34rk_" + DEVICE[4:],
        r"\u0074rk_" + DEVICE[4:],
        r"\\x74rk_" + DEVICE[4:],
        r"C:\trk_" + DEVICE[4:],
        r"a\n" + DEVICE,
        "%6" + TOKEN,
        r"\x6" + TOKEN,
        "%65" + TOKEN[1:],
        TOKEN.replace(".", "%2E", 1),
        TOKEN[::-1].replace(".", "E2%", 1)[::-1],
    ],
)
def test_no_other_spelling_shows_a_token(spelling):
    assert parts(DEVICE[4:], hide_secrets(spelling)) == []
    assert parts(TOKEN.partition(".")[2], hide_secrets(spelling)) == []


@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "Basic {}",
        "Basic\t{}",
        "basic%20{}",
        "Basic%2520{}",
        "Basic+{}",
        "Basic:{}",
        "Authorization={}&x",
        "/{}/",
        "x{}",
        "xy{}",
        "xyz{}",
        '"{}"',
    ],
)
@pytest.mark.parametrize(
    "pair", [f"phone:{DEVICE}", f":{DEVICE}", f"a:b:{DEVICE.upper()}", f"José:{DEVICE}", DEVICE]
)
def test_credentials_are_hidden_with_and_without_the_word_basic(around, pair):
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(pair.encode()).decode()
        for spelling in (encoded, encoded.rstrip("="), encoded.replace("=", "%3D")):
            shown = hide_secrets(f"before {around.format(spelling)} after")
            assert parts(encoded, shown, length=12) == []
            assert shown.startswith("before ")
            assert shown.endswith(" after")


def test_a_password_in_base64_is_hidden():
    encoded = base64.b64encode(b"mary@example.org:correct horse").decode()
    assert hide_secrets(f"Authorization: {encoded}") == "Authorization: [hidden]"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/?l%61t=-1.4354&%6Con=0.9871&a=b", "/?lat=[hidden]&lon=[hidden]&a=b"),
        ("/?lat%3D-1.4354&lon%253d0.9871", "/?lat=[hidden]&lon=[hidden]"),
        ("/?lat=%2D1.4354&lon=%30.9871", "/?lat=[hidden]&lon=[hidden]"),
        ("/?lat=-1%2E4354&lon=0%252e9871", "/?lat=[hidden]&lon=[hidden]"),
        ("/?lat=+-1.4354&lon=%200.9871", "/?lat=+[hidden]&lon= [hidden]"),
        ("/?lat=-1.4+354&lon=0.9%20871 HTTP/1.1", "/?lat=[hidden]&lon=[hidden] HTTP/1.1"),
        ("/?LAT=-1.4354&Lon=0.9871", "/?LAT=[hidden]&Lon=[hidden]"),
        ("%22lat%22%3A%20-1.4354%2C%22lon%22:0.9871", '"lat": [hidden],"lon":[hidden]'),
        (r"{\u0022lat\u0022: -1.4354}", '{"lat": [hidden]}'),
        ("/?location=-1.4354,0.9871&a=b", "/?location=[hidden]&a=b"),
        ("/?location=-1.4354%2C0.9871&a=b", "/?location=[hidden]&a=b"),
    ],
)
def test_no_spelling_of_a_location_is_shown(text, shown):
    assert hide_secrets(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "GET /driver/19/location/?a=100%25&b=%20x HTTP/1.1",
        "Basic authentication failed",
        "A basic HTTP request",
        "trk_abc is wrong",
        "location: 5 rows",
        r"C:\trk\new",
        "Connection ended connection=5f2c9a0b1d3e route=get-tracking",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "0123456789abcdef0123456789abcdef",
    ],
)
def test_text_without_secrets_is_unchanged(text):
    assert hide_secrets(text) == text


def test_escaped_line_breaks_of_a_client_start_no_line_in_the_log():
    assert "\n" not in hide_secrets(f"/?a=%0A%0d{TOKEN}")
