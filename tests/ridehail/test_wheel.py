"""The package: the content of its wheel, and its dependencies."""

import ast
import re
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.messages.catalogues import LANGUAGES
from tests.wheel import build_wheel

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = PROJECT / "tracking"
METADATA = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
# The modules that may import each extra. Nothing else of the package imports these modules.
OPTIONAL = {
    "api": ["openapi"],
    "redis": ["contrib/channels_redis"],
    "uvicorn": ["contrib/uvicorn"],
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    with zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("wheel"))) as archive:
        yield archive


def test_wheel_has_every_file_of_the_package_and_nothing_else(wheel):
    files = {path for path in PACKAGE.rglob("*") if path.is_file()}
    ours = {path.relative_to(PROJECT).as_posix() for path in files if path.suffix != ".pyc"}
    name = f"{METADATA['name'].replace('-', '_')}-{METADATA['version']}.dist-info"
    metadata = {f"{name}/{file}" for file in ("METADATA", "WHEEL", "RECORD")}
    assert {*wheel.namelist()} == ours | metadata


def test_wheel_has_what_is_no_code(wheel):
    kinds = {PurePosixPath(name).parts[1] for name in wheel.namelist()}
    assert kinds >= {"py.typed", "templates", "static", "migrations", "locale"}


def test_wheel_has_the_compiled_catalogue_of_every_language(wheel):
    names = wheel.namelist()
    for language in LANGUAGES:
        assert f"tracking/locale/{language}/LC_MESSAGES/django.mo" in names


def test_dependencies_have_lower_bounds_and_no_upper_ones():
    groups = [METADATA["dependencies"], *METADATA["optional-dependencies"].values()]
    for requirement in (Requirement(line) for group in groups for line in group):
        (specifier,) = requirement.specifier
        assert specifier.operator == ">=", requirement


def distributions(group):
    return {canonicalize_name(Requirement(line).name) for line in group}


def imports(path, known):
    """Return the distributions that a file imports; `known` maps modules to them."""
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            imported.add(node.module.partition(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {"tracking"}
    return {canonicalize_name(name) for module in foreign for name in known[module]}


def test_package_depends_on_all_that_it_imports():
    needed = distributions(METADATA["dependencies"]) | {"asgiref"}  # Django's own dependency
    extras = METADATA["optional-dependencies"]
    known = packages_distributions()
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).as_posix()
        allowed = set(needed)
        for extra, folders in OPTIONAL.items():
            if any(place.startswith(f"{folder}/") for folder in folders):
                allowed |= distributions(extras[extra])
        assert imports(path, known) <= allowed, (
            f"{place} imports what the package does not depend on"
        )


def test_version_is_said_in_one_place():
    version = re.escape(METADATA["version"])
    said = re.compile(rf"__version__|version = ['\"]{version}")
    assert [path for path in PACKAGE.rglob("*.py") if said.search(path.read_text())] == []
