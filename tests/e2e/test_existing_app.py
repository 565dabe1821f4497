"""docs/integration.md on projects that have an app named `tracking` already, step by step."""

import os
import re
import sqlite3
import subprocess
import sys

import pytest

from tests.services.program import PROJECT

DOCUMENT = (PROJECT / "docs" / "integration.md").read_text()

SETTINGS = """
SECRET_KEY = "x" * 50
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "depot.tracking"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
OURS = """
INSTALLED_APPS += ["channels", "rest_framework", "tracking"]
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
TRACKING = {"PUBLISH_POLICY": "tracking.permissions.staff_only"}
"""
APP = """
from django.apps import AppConfig
class DepotTracking(AppConfig):
    name = "depot.tracking"
"""
MODELS = """
from django.db import models
class Parcel(models.Model):
    label = models.CharField(max_length=10)
"""
COUNT = "from depot.tracking.models import Parcel; print(Parcel.objects.get().label)"


class Project:
    """A project in a folder, whose app `depot.tracking` has a parcel in the database."""

    def __init__(self, folder):
        self.folder = folder
        app = folder / "depot" / "tracking"
        app.mkdir(parents=True)
        for path, text in {
            "settings.py": SETTINGS,
            "depot/__init__.py": "",
            "depot/tracking/__init__.py": "",
            "depot/tracking/apps.py": APP,
            "depot/tracking/models.py": MODELS,
        }.items():
            (folder / path).write_text(text)
        self.run("makemigrations", "tracking")
        self.run("migrate")
        self.run("shell", "-c", COUNT.replace("get()", "create(label='mine')"))

    def append(self, path, text):
        with (self.folder / path).open("a") as file:
            file.write(text)

    def run(self, *command):
        answer = subprocess.run(
            [sys.executable, "-m", "django", *command],
            cwd=self.folder,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "settings",
                "PYTHONPATH": f"{self.folder}:{PROJECT}",
            },
            capture_output=True,
            text=True,
            timeout=100,
        )
        if answer.returncode:
            raise RuntimeError(answer.stderr)
        return answer.stdout


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def test_documents_steps_rename_the_hosts_app_and_keep_its_rows(project):
    section = DOCUMENT.partition("### An app named `tracking`")[2].partition("\n### ")[0]
    error = "Application labels aren't unique, duplicates: tracking"
    assert f"`{error}`" in section
    project.append("settings.py", OURS)
    with pytest.raises(RuntimeError, match=error):
        project.run("check")
    (label,) = re.findall(r'`(label = "\w+")`', section)
    project.append("depot/tracking/apps.py", f"    {label}\n")
    with sqlite3.connect(project.folder / "db.sqlite3") as database:
        database.executescript(re.search(r"```sql\n(.+?)```", section, re.DOTALL)[1])
    database.close()
    project.run("check")
    project.run("migrate")
    assert project.run("shell", "--no-imports", "-c", COUNT) == "mine\n"
    # No migration is left to make, neither for that app nor for ours.
    project.run("makemigrations", "--check", "--dry-run")
    # A second migrate does not try to make the tables again.
    assert "No migrations to apply" in project.run("migrate")
