import socket
from threading import Event

import pytest

from tracking.webhooks import targets
from tracking.webhooks.targets import (
    ForbiddenAddressError,
    InvalidTarget,
    check_url,
    is_permitted,
    socket_factory,
)

PUBLIC = ["93.184.216.34", "1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"]
PRIVATE = [
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "240.0.0.1",
    "::1",
    "fc00::1",
    "fec0::1",
    "2001:db8::1",
    "3fff::1",
    "100::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
]
NEVER = [
    "0.0.0.0",
    "169.254.169.254",
    "169.254.170.2",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd20:ce::254",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "::",
    "fe80::1",
    "ff02::1",
    "fe80::1%eth0",
    "2606:4700::1%eth0",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "localhost",
    "",
]


@pytest.fixture
def names(monkeypatch):
    """Names and their addresses, which a test may change."""
    known = {"example.com": ["93.184.216.34"], "xn--bcher-kva.example": ["1.1.1.1"]}
    real = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **options):
        found = known.get(host, [host])
        return [
            info
            for address in found
            for info in real(address, port, *args, **options, flags=socket.AI_NUMERICHOST)
        ]

    monkeypatch.setattr(targets.socket, "getaddrinfo", getaddrinfo)
    return known


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_permitted(address):
    assert is_permitted(address)


@pytest.mark.parametrize("address", [*PRIVATE, *NEVER])
def test_address_that_is_not_public_is_refused(address):
    assert not is_permitted(address)


@pytest.mark.parametrize("address", [*PUBLIC, "127.0.0.1", "10.1.2.3", "::1", "fc00::1"])
def test_private_networks_may_be_permitted(address, settings):
    settings.TRACKING |= {"WEBHOOK_ALLOW_PRIVATE": True}
    assert is_permitted(address)


@pytest.mark.parametrize("address", NEVER)
def test_metadata_and_multicast_are_never_permitted(address, settings):
    settings.TRACKING |= {"WEBHOOK_ALLOW_PRIVATE": True}
    assert not is_permitted(address)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hooks?key=1",
        "https://example.com:8443",
        "https://bücher.example/",
        "https://1.1.1.1/",
        "https://[2606:4700:4700::1111]/",
        "https://example.com/a@b",
    ],
)
@pytest.mark.usefixtures("names")
def test_url_of_a_public_host_is_valid(url):
    check_url(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/", "must begin with https://"),
        ("ftp://example.com/", "must begin with https://"),
        ("example.com", "must begin with https://"),
        ("", "must begin with https://"),
        ("https://", "no host"),
        ("https:example.com", "no host"),
        ("https://example.com:0/", "port"),
        ("https://example.com:99999/", "not a URL"),
        ("https://user:password@example.com/", "user name or password"),
        ("https://@example.com/", "user name or password"),
        ("https://example.com/#top", "fragment"),
        ("https://example.com#@127.0.0.1/", "fragment"),
        ("https://example.com\\@127.0.0.1/", "backslash"),
        ("https://exam ple.com/", "a space or a control character"),
        ("https://example.com/\x00", "a space or a control character"),
        ("https://example.com/\r\nhost:x", "a space or a control character"),
        (f"https://example.com/{'x' * 2000}", "2020 characters"),
        ("https://localhost./", "ends with a dot"),
        ("https://2130706433/", "unusual form"),
        ("https://0x7f000001/", "unusual form"),
        ("https://0x7f.1/", "unusual form"),
        ("https://0177.0.0.1/", "unusual form"),
        ("https://127.1/", "unusual form"),
        ("https://%31%32%37.0.0.1/", "unusual form"),
        ("https://exa%2emple.com/", "not a valid name"),
        ("https://a..b.example/", "not a valid name"),
        ("https://127.0.0.1/", "not public"),
        ("https://\uff11\uff12\uff17.0.0.1/", "not public"),
        ("https://[::1]/", "not public"),
        ("https://[::ffff:127.0.0.1]/", "not public"),
        ("https://[::ffff:7f00:1]/", "not public"),
        ("https://[fe80::1%25eth0]/", "zone"),
        ("https://[v1.x]/", "not an IPv6 address"),
        ("https://nowhere.invalid/", "was not found"),
    ],
)
@pytest.mark.usefixtures("names")
def test_url_that_is_refused_says_why(url, why):
    with pytest.raises(InvalidTarget, match=why):
        check_url(url)


def test_host_with_one_private_address_is_refused(names):
    names["example.com"].append("10.0.0.1")
    with pytest.raises(InvalidTarget, match=r"10\.0\.0\.1, which is not public"):
        check_url("https://example.com/")


def test_http_is_permitted_with_private_networks(settings, names):
    settings.TRACKING |= {"WEBHOOK_ALLOW_PRIVATE": True}
    check_url("http://127.0.0.1:8000/hooks")


def test_name_that_takes_too_long_is_refused(monkeypatch):
    hangs = Event()
    monkeypatch.setattr(targets, "LOOKUP_TIMEOUT", 0.05)
    monkeypatch.setattr(targets.socket, "getaddrinfo", lambda *_, **__: hangs.wait(20))
    with pytest.raises(InvalidTarget, match="not found within"):
        check_url("https://example.com/")
    hangs.set()


def test_socket_is_only_made_for_a_permitted_address():
    info = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
    socket_factory((*info, ("1.1.1.1", 443))).close()
    with pytest.raises(ForbiddenAddressError):
        socket_factory((*info, ("127.0.0.1", 443)))
    with pytest.raises(ForbiddenAddressError):
        socket_factory((socket.AF_UNIX, socket.SOCK_STREAM, 0, "", ("/run/docker.sock",)))
