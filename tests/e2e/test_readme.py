"""README's commands for development work in order, in an environment made by them alone."""

import re
from urllib.request import urlopen

from tests import services
from tests.services.program import PROJECT

README = (PROJECT / "README.md").read_text()


def test_commands_for_development_lead_from_nothing_to_a_page():
    (block,) = (
        found
        for found in re.findall(r"^```sh\n(.+?)^```", README, re.MULTILINE | re.DOTALL)
        if "runserver" in found
    )
    commands = [line.split("#")[0].split() for line in block.splitlines()]
    assert [" ".join(command) for command in commands[:2]] == [
        "python3 -m venv .venv",
        ".venv/bin/python -m pip install --require-hashes -r requirements.lock",
    ]
    assert {tuple(command[:2]) for command in commands[2:]} == {(".venv/bin/python", "manage.py")}
    *prepare, serve = (command[2:] for command in commands[2:])
    with services.sqlite() as database_url:
        environment = services.environment(
            database_url,
            DJANGO_SUPERUSER_EMAIL="admin@example.org",
            DJANGO_SUPERUSER_NAME="Admin",
            DJANGO_SUPERUSER_PASSWORD="correct horse battery staple",
        )
        for command in prepare:
            services.manage(environment, *command, "--no-input")
        assert serve == ["runserver"]
        with (
            services.Runserver(environment) as server,
            urlopen(f"{server.http_url}/", timeout=30) as page,
        ):
            assert page.status == 200


def test_no_command_of_the_project_is_named_outside_its_environment():
    own, _ = README.split("## In your own project")
    assert re.findall(r"(?<!\.venv/bin/)python manage\.py", own) == []
