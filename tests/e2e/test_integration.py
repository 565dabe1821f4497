"""docs/integration.md, followed word by word in a new project, with the package as a wheel."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.services import Process, redis_service
from tests.services.process import free_port
from tests.services.program import PROJECT
from tests.wheel import build_wheel

from .client import DEADLINE

DOCUMENT = PROJECT / "docs" / "integration.md"
# The sections about a new project. Other tests follow those about existing projects.
END = "\n## 8. "
INSTALL_TIMEOUT = 300  # seconds: an empty cache of packages, a slow network

BLOCK = re.compile(r"^([^\n]*)\n\n```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"(Create|Replace|Append to) `([\w./]+)`:$")
CHECKOUT = "path/to/checkout"
# Variables of the environment that runs the tests.
OURS = re.compile("PYTHON|VIRTUAL_ENV|DJANGO_|TRACKING_|UVICORN_|DATABASE_URL|REDIS_URL")
PYTHON = str(Path(sys.base_prefix) / "bin")
SERVERS = ("python manage.py runserver", "python manage.py tracking_serve")
REDIS = "redis://localhost:6379/0"

# Afterwards: the document's driver and rider, as the project shows them.
AFTERWARDS = """
from django.test import Client
from rides.models import Person, Ride, Waypoint
ride = Ride.objects.get()
print(ride.driver_status, [(w.latitude, w.longitude) for w in Waypoint.objects.all()])
client = Client(headers={"host": "localhost"})
print(client.get("/driver/1/map/").status_code, client.post("/driver/token/").status_code)
client.force_login(Person.objects.get(username="rob"))
token = client.post("/driver/token/", content_type="application/json").json()["access"]
print(client.get("/driver/1/map/").status_code)
look = client.get("/driver/1/location/", headers={"authorization": "Bearer " + token})
print(look.json()["location_lat"], look.json()["status"])
import time
from django.core import signing
from rest_framework.authtoken.models import Token
ticket = signing.dumps({"user": 1, "until": time.time() + 60}, salt="rides.ticket")
late = signing.dumps({"user": 1, "until": time.time() - 60}, salt="rides.ticket")
key = Token.objects.get(user__username="dora").key
for authorization in ("Token " + key, "Bearer ticket:" + ticket, "Bearer ticket:" + late):
    look = client.get("/driver/1/location/", headers={"authorization": authorization})
    print(look.status_code)
"""

# The folder that the package is installed in, and modules of this project that can be imported.
PLACES = """
from importlib.util import find_spec
from pathlib import Path
import tracking
print(Path(tracking.__file__).parents[4], find_spec("ridehail"), find_spec("accounts"))
"""


class Block(NamedTuple):
    """A block of the document, with its language and the line before it."""

    words: str
    language: str
    text: str


def blocks(port: int, redis: str) -> list[Block]:
    text, end, _ = DOCUMENT.read_text().partition(END)
    assert end
    assert text.count(REDIS) == 1
    text = text.replace(REDIS, redis)
    found = [Block(*match.groups()) for match in BLOCK.finditer(text)]
    assert len(found) == text.count("```") / 2
    return [block._replace(text=block.text.replace("3002", str(port))) for block in found]


class Server(Process):
    """A server with the document's command line."""

    def __init__(self, line: str, port: int, environment: dict[str, str], directory: Path) -> None:
        super().__init__(line, environment=environment, directory=directory)
        self.port = port
        program, *arguments = shlex.split(line)
        found = shutil.which(program, path=environment["PATH"])
        assert found is not None
        self._command = [found, *arguments]

    def command(self) -> list[str]:
        return self._command


class Reader:
    """A reader who follows the document with nothing but Python, a wheel and an index."""

    def __init__(self, directory: Path, wheel: Path, constraints: Path) -> None:
        self.directory = directory
        self.wheel = wheel
        self.port = free_port()
        self.server: Server | None = None
        self.printed = ""
        self.environment = {
            **{name: value for name, value in os.environ.items() if not OURS.match(name)},
            # Activate the environment, as activation lasts only as long as a shell.
            "PATH": os.pathsep.join([str(directory / ".venv/bin"), PYTHON, os.environ["PATH"]]),
            "PIP_CONSTRAINT": str(constraints),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def follow(self, block: Block) -> None:
        file = FILE.search(block.words)
        if block.language == "sh" and block.text.startswith(SERVERS):
            self.stop()
            self.server = Server(
                block.text.strip(), self.port, self.environment, self.directory
            ).__enter__()
        elif block.language == "sh":
            self.run(block.text.replace(CHECKOUT, str(self.wheel)))
        elif block.words == "It prints:":
            assert self.printed == block.text
        else:
            assert file is not None, f"what to do with {block}?"
            self.write(self.directory / file[2], file[1], block.text)

    def write(self, path: Path, verb: str, text: str) -> None:
        assert path.exists() is (verb != "Create")
        before = path.read_text() if verb == "Append to" else ""
        path.write_text(f"{before}\n{text}" if before else text)

    def run(self, script: str) -> str:
        """Run a script, and stay in the directory where it ends."""
        answer = subprocess.run(
            ["bash", "-e"],
            input=f"{script}\npwd >&2",
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        self.directory = Path(answer.stderr.splitlines()[-1])
        self.printed = answer.stdout
        return self.printed

    def stop(self) -> None:
        if self.server is not None:
            self.server.__exit__()
            self.server = None


@pytest.fixture
def reader(tmp_path) -> Iterator[Reader]:
    """Return a reader in an empty folder."""
    wheel = build_wheel(tmp_path / "wheel")
    constraints = tmp_path / "constraints.txt"
    # For reproducible results: the versions of all other tests.
    lock = (PROJECT / "requirements.lock").read_text()
    constraints.write_text("\n".join(re.findall(r"^[\w.-]+==[^\\\n]+", lock, re.MULTILINE)))
    folder = tmp_path / "empty"
    folder.mkdir()
    reader = Reader(folder, wheel, constraints)
    yield reader
    reader.stop()


@pytest.fixture
def redis() -> Iterator[str]:
    with redis_service() as server:
        yield server.url


@pytest.mark.long
@pytest.mark.timeout(2 * INSTALL_TIMEOUT)
def test_document_leads_to_a_project_that_streams_locations(reader, redis):
    for block in blocks(reader.port, redis):
        reader.follow(block)
    # The package is the wheel's, and nothing of this project can be imported.
    places = reader.run(f"python -c '{PLACES}'").split()
    assert places == [str(reader.directory.parent / ".venv"), "None", "None"]
    # The last server is production's, the first one that sends signals.
    assert "tracking_serve" in reader.server.name
    printed = reader.run("python try_it.py")
    assert printed.count("stored") == 1
    assert printed.count("seen") == 2
    # The driver has disconnected, so its status changes five seconds later.
    deadline = time.monotonic() + DEADLINE
    while True:
        shown = reader.run(f"python manage.py shell --no-imports <<'END'\n{AFTERWARDS}\nEND\n")
        status, *pages = shown.splitlines()
        if status.startswith("offline") or time.monotonic() > deadline:
            break
    assert status == "offline [(-1.4354, 0.9871), (-1.4355, 0.9872)]"
    assert pages == ["302 403", "200", "-1.4355 offline", "200", "200", "401"]
