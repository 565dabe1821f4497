"""Imports that a server or a command makes only once it needs them."""

import subprocess
import sys

from tests.services.program import PROJECT

# `aiohttp` takes 0.2 s, and serves webhooks and routing engines alone.
CODE = """
import sys
import ridehail.asgi
from django.core.management import get_commands
assert "tracking.runtime" in sys.modules and "tracking_deliver" in get_commands()
print("aiohttp" in sys.modules)
"""


def test_server_starts_without_a_client_for_http():
    command = [sys.executable, "-c", CODE]
    answer = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert (answer.stdout, answer.returncode) == ("False\n", 0), answer.stderr
