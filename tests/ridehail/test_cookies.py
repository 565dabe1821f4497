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
def test_a_quoted_value_is_decoded(text, value):
    assert unquote(text) == value


@given(st.text().map(lambda text: http.cookies._quote(text)))
def test_a_value_quoted_by_the_library_is_read_back(quoted):
    assert http.cookies._quote(unquote(quoted)) == quoted


def test_django_uses_this_parser_for_cookies():
    assert http.cookies._unquote is unquote
    assert parse_cookie('a="x\\054y"; b=2') == {"a": "x,y", "b": "2"}
