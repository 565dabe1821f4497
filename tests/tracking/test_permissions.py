import asyncio
import threading

import pytest
from django.contrib.auth import get_user_model

from tracking.permissions import is_driver, may_publish, may_watch, watches


class Person:
    """A user of a project whose model has no role."""

    is_active = True

    def __init__(self, pk, **attributes):
        self.pk = pk
        vars(self).update(attributes)


async def say_yes(user, driver_id):
    return True


async def say_no(user, driver_id):
    return False


def even_drivers(user, driver_id):
    return driver_id % 2 == 0


def knows_of(user, driver_id):
    return get_user_model().objects.filter(pk=driver_id).exists()


def off_the_loop(user, driver_id):
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return threading.current_thread() is not threading.main_thread()
    return False


def fail(user, driver_id):
    raise LookupError("no such city")


async def fail_async(user, driver_id):
    raise LookupError("no such city")


def nothing(user, driver_id):
    return None


def something(user, driver_id):
    return ["yes"]


class Asynchronous:
    async def __call__(self, user, driver_id):
        return driver_id == 4


asynchronous_object = Asynchronous()


def decorated(user, driver_id):
    """A plain function that returns a coroutine, as some decorators make of coroutine functions."""
    return say_no(user, driver_id)


def policy(settings, name):
    path = f"{__name__}.{name}"
    settings.TRACKING = {"WATCH_POLICY": path, "PUBLISH_POLICY": path}


# The built-in policies


@pytest.mark.parametrize(
    ("role", "driver_id", "expected"),
    [
        ("driver", 19, True),
        ("driver", 20, False),
        ("rider", 19, False),
        ("dispatcher", 19, False),
        ("", 19, False),
        (None, 19, False),
    ],
)
async def test_only_a_driver_publishes_and_for_itself_alone(role, driver_id, expected):
    assert await may_publish(Person(19, role=role), driver_id) is expected


async def test_without_roles_everybody_publishes_for_themselves_alone():
    assert await may_publish(Person(19), 19) is True
    assert await may_publish(Person(19), 20) is False


async def test_a_projects_own_driver_role_is_recognized():
    user = get_user_model()(pk=19, role=get_user_model().Role.DRIVER)
    assert await may_publish(user, 19) is True


async def test_any_logged_in_user_may_watch():
    assert await may_watch(Person(22, role="rider"), 19) is True


# For synchronous code


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (Person(19), True),
        (Person(19, role="driver"), True),
        (Person(19, role="rider"), False),
        (Person(19, role=None), False),
    ],
)
def test_a_user_without_a_role_counts_as_a_driver(user, expected):
    assert is_driver(user) is expected


@pytest.mark.parametrize(
    ("name", "driver_id", "expected"),
    [
        ("say_yes", 1, True),
        ("say_no", 1, False),
        ("even_drivers", 4, True),
        ("even_drivers", 5, False),
        ("nothing", 4, False),
        ("something", 4, True),
        ("asynchronous_object", 4, True),
        ("asynchronous_object", 5, False),
        ("decorated", 4, False),
    ],
)
def test_every_kind_of_policy_answers_synchronous_code(settings, name, driver_id, expected):
    policy(settings, name)
    assert watches(Person(22), driver_id, Person(driver_id)) is expected
    assert watches(Person(22), driver_id, None) is False


# A project's own


@pytest.mark.parametrize("decide", [may_publish, may_watch])
@pytest.mark.parametrize(
    ("name", "driver_id", "expected"),
    [
        ("say_yes", 1, True),
        ("say_no", 1, False),
        ("even_drivers", 4, True),
        ("even_drivers", 5, False),
        ("nothing", 4, False),
        ("something", 4, True),
        ("off_the_loop", 4, True),
    ],
)
async def test_a_policy_is_a_plain_or_a_coroutine_function(
    settings, decide, name, driver_id, expected
):
    policy(settings, name)
    assert await decide(Person(1), driver_id) is expected


@pytest.mark.parametrize(("driver_id", "expected"), [(4, True), (5, False)])
async def test_the_answer_of_an_object_with_an_async_call_is_awaited(settings, driver_id, expected):
    policy(settings, "asynchronous_object")
    assert await may_watch(Person(1), driver_id) is expected


async def test_a_plain_function_that_returns_a_coroutine_never_counts_as_a_yes(settings):
    policy(settings, "decorated")
    assert await may_watch(Person(1), 4) is False


@pytest.mark.parametrize("name", ["fail", "fail_async"])
async def test_an_error_of_a_policy_is_not_a_yes(settings, name):
    policy(settings, name)
    with pytest.raises(LookupError):
        await may_watch(Person(1), 4)


async def test_a_policy_that_does_not_exist_is_not_a_yes(settings):
    settings.TRACKING = {"WATCH_POLICY": "tests.tracking.no_such_policy"}
    with pytest.raises(ImportError):
        await may_watch(Person(1), 4)


@pytest.fixture
def known_driver(transactional_db):
    return get_user_model().objects.create_user(email="driver@example.com", role="driver")


async def test_a_plain_policy_may_query_the_database(settings, known_driver):
    policy(settings, "knows_of")
    assert await may_watch(Person(1), known_driver.pk) is True
    assert await may_watch(Person(1), known_driver.pk + 1) is False
