"""uvicorn's own tests of its HTTP and WebSocket protocols, run against ours."""

import shutil
from pathlib import Path

from .sources import run_pytest, unpack

CONFTEST = Path(__file__).with_name("uvicorn_conftest.py")
TESTS = ["tests/protocols/test_http.py", "tests/protocols/test_websocket.py"]
# Of uvicorn 0.54.0. All pass: no difference is deliberate.
MIN_TESTS = 161


def run() -> str:
    """Run the tests that take a protocol class, and return how many passed."""
    directory = unpack("uvicorn")
    # Nearer to the tests than uvicorn's own, so that its fixtures replace those.
    shutil.copyfile(CONFTEST, directory / "tests" / "protocols" / "conftest.py")
    return run_pytest(directory, ["-p", "no:asyncio", "--timeout=60", *TESTS], MIN_TESTS)
