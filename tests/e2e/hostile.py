"""Input of malicious clients: messages, raw frames, queries and headers, for every route."""

import struct

from .raw import BINARY, CLOSE, CONT, KEY, PING, PONG, TEXT, frame


def message(lat: str = "1", token: str = '"TOKEN"', **others: str) -> bytes:
    """Return a message as JSON text. The pieces need not be JSON; TOKEN stands for a good one."""
    payload = {"token": token, "command": '"COMMAND"', "lat": lat, "lon": "2", **others}
    pairs = ", ".join(f'"{key}": {value}' for key, value in payload.items())
    return f'{{"type": "authenticate", "payload": {{{pairs}}}}}'.encode()


# Text messages, for any route.
MESSAGES = {
    "nested lists": b"[" * 15_000,
    "nested objects": b'{"a":' * 3_000,
    "nested lists, closed": message(extra="[" * 3_000 + "]" * 3_000),
    "nested payload": b'{"type": "authenticate", "payload": ' * 300,
    "huge integer": message(lat="9" * 400),
    "10,000 digits": message(lat="1" * 10_000),
    "10,000 decimals": message(lat="1." + "1" * 10_000),
    "10,000 digits in a string": message(lat='"' + "1" * 10_000 + '"'),
    "huge exponent": message(lat="1e999999999"),
    "huge exponent in a string": message(lat='"1e999999999"'),
    "tiny exponent": message(lat="1e-999999999"),
    "exponent of 5,000 digits": message(lat="1e" + "9" * 5_000),
    "NaN": message(lat="NaN"),
    "Infinity": message(lat="-Infinity"),
    "NaN in a string": message(lat='"nan"'),
    "truth": message(lat="true"),
    "null token": message(token="null"),
    "object for a token": message(token='{"TOKEN": 1}'),
    "lone surrogate": message(lat='"\\ud800"'),
    "lone surrogate in a key": message(**{"\\udfff": "1"}),
    "lone surrogate in the token": message(token='"TOKEN\\ud800"'),
    "NUL in a string": message(lat='"1\\u0000"'),
    "NUL, bare": b"\0",
    "NUL after the message": message() + b"\0",
    "control characters": bytes(range(32)),
    "control characters in the token": message(token='"TOKEN\\u0000\\u001b[31m\\r\\n"'),
    "byte order mark": b"\xef\xbb\xbf" + message(),
    "other digits": message(lat='"\u0661"'),
    "duplicate keys": message().replace(b'"lon"', b'"lat": 91, "lat": "x", "lon"'),
    "duplicate payloads": message().replace(b"}}", b'}, "payload": {}}'),
    "duplicate tokens": message().replace(b'"lat"', b'"token": "", "lat"'),
    "10,000 keys": b"{" + b",".join(b'"%d":1' % number for number in range(1_600)) + b"}",
    "long key": b'{"' + b"k" * 15_000 + b'": 1}',
    "long token": message(token='"' + "eyJ" * 5_000 + '"'),
    "two messages": message() * 2,
    "cut off": message()[:-1],
    "comment": b"/**/" + message(),
    "script": message(lat='"<script>alert(1)</script>"'),
    "SQL": message(lat='"1\'; DROP TABLE tracking_driverlocation; --"'),
    "format": message(lat='"%s%n{0.__class__}${jndi:ldap://127.0.0.1/}"'),
    "white space": b" " * 16_000,
    "nothing": b"",
}

# Frames, and the close code that each must cause; with None the connection stays open.
FRAMES: dict[str, tuple[bytes, int | None]] = {
    "binary": (frame(BINARY, message()), None),
    "empty binary": (frame(BINARY), None),
    "invalid UTF-8": (frame(TEXT, b"\xff\xfe"), 1007),
    "surrogate as UTF-8": (frame(TEXT, message(lat='"X"').replace(b"X", b"\xed\xa0\x80")), 1007),
    "UTF-8 cut off": (frame(TEXT, b"\xe2\x82"), 1007),
    "UTF-8 over two fragments": (
        frame(TEXT, b"\xe2\x82", fin=False) + frame(CONT, b"\xac"),
        None,
    ),
    "1 MiB": (frame(TEXT, b" " * 2**20), 1009),
    "1 MiB, binary": (frame(BINARY, b" " * 2**20), 1009),
    "1 MiB in fragments": (
        frame(TEXT, b" " * 2**14, fin=False) + frame(CONT, b" " * 2**14, fin=False) * 63,
        1009,
    ),
    "2^62 bytes announced": (frame(TEXT, length=2**62), 1009),
    "2^63 bytes announced": (frame(TEXT, length=2**63), 1009),
    "length not minimal": (b"\x81\xfe\x00\x01" + KEY + b"\x00", None),
    "fragments of one byte": (
        frame(TEXT, b"{", fin=False) + frame(CONT, b" ", fin=False) * 5_000,
        4429,
    ),
    "empty fragments": (frame(TEXT, fin=False) + frame(CONT, fin=False) * 20_000, 4429),
    "message within a message": (frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"), 1002),
    "fragment of nothing": (frame(CONT, b"}"), 1002),
    "ping between fragments": (
        frame(TEXT, b"{", fin=False) + frame(PING, b"?") + frame(CONT, b"}"),
        None,
    ),
    "unmasked": (frame(TEXT, message(), masked=False), 1002),
    "reserved bit": (frame(TEXT, message(), reserved=4), 1002),
    "all reserved bits": (frame(TEXT, message(), reserved=7), 1002),
    **{f"opcode {number}": (frame(number, b"?"), 1002) for number in (3, 7, 11, 15)},
    "fragmented ping": (frame(PING, b"?", fin=False), 1002),
    "long ping": (frame(PING, b"?" * 126), 1002),
    "many pings": (frame(PING, b"?" * 125) * 20_000, 4429),
    "many pongs": (frame(PONG) * 20_000, 4429),
    "pong unasked": (frame(PONG, b"?"), None),
    "close of one byte": (frame(CLOSE, b"?"), 1002),
    "close with a reserved code": (frame(CLOSE, struct.pack("!H", 1005)), 1002),
    "close with no code of all": (frame(CLOSE, struct.pack("!H", 65535)), 1002),
    "close with a reason that is no text": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "close with a long reason": (frame(CLOSE, b"\x03\xe8" + b"?" * 123), 1000),
    "messages after the close": (frame(CLOSE, b"\x03\xe8") + frame(TEXT, message()) * 100, 1000),
    "five bad messages": (frame(TEXT) * 5, 4400),
    "10,000 bad messages": (frame(TEXT) * 10_000, 4400),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 1002),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 1002),
}

# The part after the path in a request's first line.
QUERIES = {
    "raw control characters": b"?userId=19\x01\x1b",
    "raw NUL": b"?userId=19\x00",
    "raw tab": b"?userId=19\t",
    "raw delete": b"?userId=19\x7f",
    "raw line feed": b"?userId=19\n",
    "raw bytes beyond ASCII": b"?userId=\xd9\xa1\xff",
    "encoded control characters": b"?userId=%00%01%0d%0aSet-Cookie:%20x%1b",
    "encoded digits": b"?userId=%31%39%00",
    "bad percent encoding": b"?userId=%zz%",
    "encoded surrogate": b"?userId=%ed%a0%80",
    "encoded key": b"?user%49d=19&userId=19",
    "repeated key": b"?userId=19&userId=19",
    "key repeated 300 times": b"?" + b"userId=19&" * 300,
    "800 keys": b"?" + b"&".join(b"k%d=" % number for number in range(800)),
    "overlong": b"?userId=19&x=" + b"x" * 17_000,
    "far overlong": b"?userId=19&x=" + b"x" * 300_000,
    "huge number": b"?userId=" + b"9" * 5_000,
    "negative": b"?userId=-1",
    "list": b"?userId[]=19",
    "fragment": b"?userId=19#x",
    "nothing": b"",
    "more path": b"/%2e%2e/%00?userId=19",
}

# Headers in addition to those of a handshake, or in their place.
HEADERS = {
    "200 headers": b"".join(b"X-%d: 1\r\n" % number for number in range(200)),
    "long header": b"X: " + b"x" * 9_000 + b"\r\n",
    "100 KB of headers": (b"X: " + b"x" * 1_000 + b"\r\n") * 100,
    "bytes beyond ASCII": b"X: \xe9\xff\r\nCookie: sessionid=\xff\r\n",
    "NUL": b"X: \x00\r\n",
    "second key": b"Sec-WebSocket-Key: x\r\n",
    "second version": b"Sec-WebSocket-Version: 99\r\n",
    "bad extension": b'Sec-WebSocket-Extensions: permessage-deflate; x="\r\n',
    "bad subprotocol": b"Sec-WebSocket-Protocol: ,,\xff\r\n",
    "bad origin": b"Origin: \x1b[31mhttps://example.org\r\n",
    "body": b"Content-Length: 5\r\n",
    "two lengths of a body": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "no name": b": x\r\n",
    "folded": b"X: 1\r\n 2\r\n",
    "false forwarder": b"X-Forwarded-For: \x00, 999.1.1.1, [::\r\n",
}
