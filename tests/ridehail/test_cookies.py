import http.cookies

import pytest
from django.http.cookie import parse_cookie
from hypothesis import given
from hypothesis import strategies as st

from ridehail.cookies import unquote


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ('"', '"'),
        ('""', ""),
        (r'"a\"b"', 'a"b'),
        (r'"a\\b"', "a\\b"),
        (r'"\054\073"', ",;"),
        (r'"\101\1"', "A1"),
        (r'"\999"', "999"),
        ('"open', '"open'),
        ('"\\"', "\\"),
    ],
)
def test_a_quoted_value_is_what_it_stands_for(text, value):
    assert unquote(text) == value


@given(st.text().map(lambda text: http.cookies._quote(text)))
def test_what_the_library_quotes_is_read_back(quoted):
    assert http.cookies._quote(unquote(quoted)) == quoted


def test_django_reads_cookies_with_it():
    assert http.cookies._unquote is unquote
    assert parse_cookie('a="x\\054y"; b=2') == {"a": "x,y", "b": "2"}
