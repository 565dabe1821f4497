"""Copy Leaflet from its npm package: `python -m scripts.vendor_leaflet`. Needs npm.

`CHECKSUMS` next to the files has the format of `sha256sum --check`; a test checks it.
"""

import base64
import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

PACKAGE: Final = "leaflet@1.9.4"
INTEGRITY: Final = "sha512-nxS1ynzJOmOlHp+iL3FyWqK89GtNL8U8rvlMOsQdTTssxZwCXh8N2NB3GDQOL+YR3XnWyZAxwQixURb+FA74PA=="  # noqa: E501
# The source map too: leaflet.js refers to it, and hashed static files need every file referred to.
FILES: Final = (
    "LICENSE",
    "dist/leaflet.css",
    "dist/leaflet.js",
    "dist/leaflet.js.map",
    "dist/images/layers-2x.png",
    "dist/images/layers.png",
    "dist/images/marker-icon-2x.png",
    "dist/images/marker-icon.png",
    "dist/images/marker-shadow.png",
)
VENDOR: Final = Path(__file__).parents[1] / "tracking" / "static" / "tracking" / "vendor"


def npm_package(package: str, integrity: str, directory: Path) -> tarfile.TarFile:
    """Return the package's archive. Raises ValueError if it does not match `integrity`."""
    pack = ["npm", "pack", package, "--json", "--silent", "--pack-destination", str(directory)]
    answer = subprocess.run(pack, check=True, capture_output=True, text=True)  # noqa: S603
    archive = (directory / json.loads(answer.stdout)[0]["filename"]).read_bytes()
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != integrity:
        raise ValueError(f"{package} has the checksum {found}, not {integrity}")
    return tarfile.open(fileobj=io.BytesIO(archive))


def read(package: tarfile.TarFile, name: str) -> bytes:
    member = package.extractfile(f"package/{name}")
    if member is None:
        raise ValueError(f"{name} is no file of the package")
    return member.read()


def write(directory: Path, files: dict[str, bytes]) -> None:
    """Write the files and their CHECKSUMS."""
    lines = []
    for name, content in sorted(files.items()):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        lines.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
    (directory / "CHECKSUMS").write_text("".join(lines), encoding="utf-8")
    print(f"{directory}: {sum(map(len, files.values())) // 1024} KiB")


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        package = npm_package(PACKAGE, INTEGRITY, Path(directory))
    write(VENDOR / "leaflet", {name.removeprefix("dist/"): read(package, name) for name in FILES})


if __name__ == "__main__":
    main()
