from ipaddress import ip_network

import pytest
from django.core.exceptions import ImproperlyConfigured

from ridehail import proxies
from ridehail.proxies import client_address, limit_key, parse_networks, request_limit_key

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("2001:db8:aaaa::/48"), ip_network("127.0.0.1")]
PROXY = "10.0.0.1"


def client(peer, forwarded_for="", trusted=TRUSTED):
    address = client_address(peer, forwarded_for, trusted)
    return None if address is None else str(address)


def test_peer_is_the_client_if_no_proxy_is_trusted():
    assert client("192.0.2.1", "203.0.113.9", trusted=[]) == "192.0.2.1"
    assert client("127.0.0.1", "203.0.113.9", trusted=[]) == "127.0.0.1"


def test_forwarded_address_of_an_untrusted_peer_is_ignored():
    assert client("192.0.2.1", "203.0.113.9, 10.0.0.2") == "192.0.2.1"


@pytest.mark.parametrize(
    ("forwarded_for", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        # The client's claim stands before the address that the proxy saw.
        ("127.0.0.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.7, 203.0.113.9", "203.0.113.9"),
        ("1.1.1.1, 2.2.2.2, 203.0.113.9", "203.0.113.9"),
        ("<script>, 203.0.113.9", "203.0.113.9"),
        ("x" * 100_000 + ", 203.0.113.9", "203.0.113.9"),
        # Two and three proxies.
        ("1.1.1.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9, 10.0.0.3, 2001:db8:aaaa::5", "203.0.113.9"),
        # An internal request: only proxies.
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("", PROXY),
        (" , ,", PROXY),
        # Lists may have empty elements (RFC 9110, section 5.6.1).
        ("203.0.113.9,,", "203.0.113.9"),
        ("  203.0.113.9\t", "203.0.113.9"),
    ],
)
def test_address_nearest_to_the_server_that_is_no_proxy_is_the_client(forwarded_for, expected):
    assert client(PROXY, forwarded_for) == expected


@pytest.mark.parametrize(
    ("hop", "expected"),
    [
        ("203.0.113.9:4711", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[::ffff:203.0.113.9]:1", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::1"),
        ("fe80::1%'; DROP TABLE", "fe80::1"),
    ],
)
def test_address_is_read_however_a_proxy_writes_it(hop, expected):
    assert client(PROXY, hop) == expected


@pytest.mark.parametrize(
    "hop",
    [
        "unknown",
        "_hidden",
        "unix:",
        "for=203.0.113.9",
        '"203.0.113.9"',
        "203.0.113",
        "203.0.113.9.9",
        "203.0.113.256",
        "203.0.113.09",
        "203.0.113.9/24",
        "203.0.113.9:",
        "203.0.113.9:x",
        "203.0.113.9:123456",
        "[203.0.113.9",
        "[2001:db8::1]x",
        "[]",
        "2001:db8:::1",
        "3405803785",
        "0x7f.0.0.1",
        "٢٠٣.0.113.9",
        "203.0.113.9 10.0.0.1",
        "\x00",
        "\ud800",
        "-1",
        "%",
    ],
)
def test_invalid_hop_ends_the_reading_at_the_proxy_that_wrote_it(hop):
    assert client(PROXY, f"1.1.1.1, {hop}, 10.0.0.2") == "10.0.0.2"
    assert client(PROXY, hop) == PROXY


def test_proxy_is_known_on_a_socket_that_serves_both_families():
    assert client("::ffff:10.0.0.1", "203.0.113.9") == "203.0.113.9"
    assert client("::ffff:192.0.2.1", "203.0.113.9") == "192.0.2.1"


def test_proxy_with_ipv6_is_trusted_by_its_network():
    assert client("2001:db8:aaaa::1", "203.0.113.9") == "203.0.113.9"
    assert client("2001:db8:bbbb::1", "203.0.113.9") == "2001:db8:bbbb::1"


@pytest.mark.parametrize("peer", [None, "", "unix:", "testclient"])
def test_peer_without_an_address_gives_none_and_is_not_trusted(peer):
    assert client(peer, "203.0.113.9") is None


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
    ],
)
def test_limit_key_covers_what_one_customer_has(address, key):
    assert limit_key(client_address(address, "", [])) == key


def test_limit_key_of_a_request_uses_the_configured_proxies(rf, settings):
    request = rf.get("/", REMOTE_ADDR=PROXY, headers={"X-Forwarded-For": "1.1.1.1, 203.0.113.9"})
    settings.TRUSTED_PROXIES = []
    assert request_limit_key(request) == PROXY
    settings.TRUSTED_PROXIES = TRUSTED
    assert request_limit_key(request) == "203.0.113.9"


def test_request_without_an_address_has_no_limit_key(rf):
    assert request_limit_key(rf.get("/", REMOTE_ADDR="")) is None


def test_networks_are_addresses_or_blocks():
    assert parse_networks(["10.0.0.0/8", "2001:db8:aaaa::/48", " 127.0.0.1"]) == TRUSTED


@pytest.mark.parametrize("text", ["10.0.0.1/8", "localhost", "*", ""])
def test_invalid_network_is_refused_by_name(text):
    with pytest.raises(ImproperlyConfigured, match="TRUSTED_PROXIES"):
        parse_networks([text])


@pytest.fixture
def unwarned(monkeypatch):
    monkeypatch.setattr(proxies, "_warned", set())


def test_a_proxy_that_is_not_trusted_is_named_once(unwarned, rf, settings, caplog):
    settings.TRUSTED_PROXIES = []
    for _ in range(30):
        request = rf.get("/", headers={"X-Forwarded-For": "192.0.2.1"}, REMOTE_ADDR="10.0.0.7")
        assert request_limit_key(request) == "10.0.0.7"
    scope = {"client": ["10.0.0.7", 1], "headers": [(b"x-forwarded-for", b"192.0.2.1")]}
    assert proxies.scope_limit_key(scope) == "10.0.0.7"
    (record,) = caplog.records
    assert "10.0.0.7" in record.getMessage()
    assert "TRUSTED_PROXIES" in record.getMessage()
    assert "192.0.2.1" not in record.getMessage()


def test_trusted_proxies_and_clients_cause_no_warning(unwarned, rf, settings, caplog):
    settings.TRUSTED_PROXIES = parse_networks(["10.0.0.0/8"])
    trusted = {"X-Forwarded-For": "192.0.2.1"}
    request_limit_key(rf.get("/", headers=trusted, REMOTE_ADDR="10.0.0.7"))
    request_limit_key(rf.get("/", REMOTE_ADDR="192.0.2.9"))
    assert not caplog.records


def test_a_flood_of_headers_does_not_fill_the_log(unwarned, caplog):
    for number in range(1000):
        client_address(f"203.0.113.{number % 250}", "192.0.2.1", [])
    assert len(caplog.records) == proxies.MAX_WARNED_ADDRESSES
