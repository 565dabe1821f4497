"""Static files as production compresses them."""

import pytest

from ridehail.static_files import Storage


@pytest.mark.parametrize(
    ("name", "endings"),
    [("tracking/map.js", {"", ".br", ".gz"}), ("reference/ui.js", {"", ".gz"})],
)
def test_only_the_pages_files_are_compressed_with_brotli(tmp_path, settings, name, endings):
    settings.STATIC_ROOT = tmp_path
    path = tmp_path / name
    path.parent.mkdir()
    path.write_text("a line that is repeated\n" * 100)
    assert list(Storage().compress_files({name}))
    assert {each.name for each in path.parent.iterdir()} == {path.name + end for end in endings}
