"""TypeScript types of the frames: current and complete."""

import re
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command

from tracking.asyncapi import declarations
from tracking.asyncapi.schemas import FRAMES


def test_kept_types_are_current():
    output = StringIO()
    call_command("tracking_types", stdout=output)
    kept = Path(finders.find("tracking/frames.d.ts")).read_text()
    assert output.getvalue() == kept, (
        "run: python manage.py tracking_types > tracking/static/tracking/frames.d.ts"
    )


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame.__name__)
def test_every_key_of_a_frame_is_declared(frame):
    pattern = rf"^export interface {frame.__name__} {{\n(.*?)^}}$"
    body = re.search(pattern, declarations(), re.MULTILINE | re.DOTALL).group(1)
    keys = re.findall(r"^  (\w+)\??:", body, re.MULTILINE)
    assert tuple(keys) == frame.__struct_encode_fields__


def test_every_name_that_is_used_is_declared_once():
    text = declarations()
    declared = re.findall(r"^export interface (\w+)", text, re.MULTILINE)
    used = re.findall(r"^  \w+\??: ([A-Z]\w+)", text, re.MULTILINE)
    assert len(declared) == len(set(declared))
    assert set(used) <= set(declared)


def test_no_line_is_longer_than_an_editor_is_wide():
    assert max(map(len, declarations().splitlines())) <= 100
