"""A headless Chromium from a package of the npm registry, for users who cannot install one.

The package is made for serverless platforms, so it brings the few libraries that it needs. It is
unpacked below `.make/`; no root is needed, and none of the package's own code is run.
"""

import base64
import hashlib
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.sax.saxutils import escape

from .process import ServiceError
from .program import PROJECT, Program

PACKAGE = "@sparticuz/chromium"
VERSION = "153.0.0"
SHA512 = "jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA=="
DIRECTORY = PROJECT / ".make" / f"chromium-{VERSION}"

_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>{directory}</dir>
</fontconfig>
"""


def installed() -> Program | None:
    path = DIRECTORY / "chromium"
    if not path.exists():
        return None
    environment = {
        "LD_LIBRARY_PATH": str(DIRECTORY / "lib"),
        "FONTCONFIG_FILE": str(DIRECTORY / "fonts.conf"),
    }
    return Program(path, f"npm package {PACKAGE}", environment)


def installable() -> bool:
    """Return whether this machine can run it and has the clients that fetch and unpack it."""
    tools = all(map(shutil.which, ("npm", "node", "tar")))
    return sys.platform == "linux" and platform.machine() == "x86_64" and tools


def install() -> None:
    """Fetch, check and unpack it: 70 MB, 220 MB unpacked. Raises `ServiceError`."""
    DIRECTORY.parent.mkdir(exist_ok=True)
    # Beside its final place, and renamed when complete: an interrupted run leaves no half browser.
    with tempfile.TemporaryDirectory(prefix="chromium-", dir=DIRECTORY.parent) as directory:
        temporary = Path(directory)
        pack = ["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}", "--pack-destination", directory]
        answer = subprocess.run(pack, cwd=directory, capture_output=True, text=True)
        archives = list(temporary.glob("*.tgz"))
        if answer.returncode or not archives:
            raise ServiceError(f"npm cannot fetch {PACKAGE} {VERSION}:\n{answer.stderr}")
        digest = hashlib.sha512(archives[0].read_bytes()).digest()
        if base64.b64encode(digest).decode() != SHA512:
            raise ServiceError(f"{PACKAGE} {VERSION} does not have the pinned checksum")
        _unpack(archives[0], temporary)

        browser = temporary / "browser"
        browser.mkdir()
        carried = temporary / "package" / "bin"
        _decompress(carried / "chromium.br", browser / "chromium")
        (browser / "chromium").chmod(0o755)
        for name in ("al2023", "fonts"):
            _decompress(carried / f"{name}.tar.br", temporary / f"{name}.tar")
            _unpack(temporary / f"{name}.tar", browser)
        fonts = escape(str(DIRECTORY / "fonts"))
        (browser / "fonts.conf").write_text(_FONTS.format(directory=fonts))
        browser.rename(DIRECTORY)


def _unpack(archive: Path, directory: Path) -> None:
    subprocess.run(["tar", "-xf", archive, "-C", directory, "--no-same-owner"], check=True)


def _decompress(source: Path, target: Path) -> None:
    """Decompress Brotli, which Node.js has and Python's standard library lacks."""
    pipe = "process.stdin.pipe(require('zlib').createBrotliDecompress()).pipe(process.stdout)"
    with source.open("rb") as compressed, target.open("wb") as plain:
        subprocess.run(["node", "-e", pipe], stdin=compressed, stdout=plain, check=True)
