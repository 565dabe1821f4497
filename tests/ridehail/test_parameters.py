import email.message
import importlib.util

import pytest
from django.utils.http import parse_header_parameters
from hypothesis import given
from hypothesis import strategies as st

from ridehail.parameters import split_parameters


@pytest.fixture(scope="module")
def original():
    """Return Python's own parser, which the project has replaced."""
    spec = importlib.util.find_spec("email.message")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module._parseparam


@given(header=st.text(alphabet=';"\\= aB*/', max_size=40))
def test_every_header_is_read_as_python_reads_it(original, header):
    assert split_parameters(header) == original(header)


def test_django_uses_this_parser_for_headers():
    assert email.message._parseparam is split_parameters
    assert parse_header_parameters('Text/HTML; Charset="a;b"; q=1') == (
        "text/html",
        {"charset": "a;b", "q": "1"},
    )
