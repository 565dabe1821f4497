import pytest
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError

from accounts.models import User

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery staple"


def test_user_is_an_active_rider_by_default():
    user = User.objects.create_user(email="jonh@gmail.com", password=PASSWORD, name="Jonh")
    assert (user.role, user.is_active) == (User.Role.RIDER, True)
    assert (user.is_staff, user.is_superuser) == (False, False)
    assert isinstance(user.pk, int)


def test_user_gets_the_role_that_is_asked_for():
    user = User.objects.create_user(email="d@example.com", password=PASSWORD, role="driver")
    user.refresh_from_db()
    assert user.role == User.Role.DRIVER


def test_user_without_a_password_cannot_log_in():
    user = User.objects.create_user(email="jonh@gmail.com")
    assert not user.has_usable_password()


def test_user_needs_an_email_address():
    with pytest.raises(ValueError, match="e-mail"):
        User.objects.create_user(email="", password=PASSWORD)


def test_email_is_stored_in_lower_case():
    user = User.objects.create_user(email=" Jonh@GMail.com ", password=PASSWORD)
    assert user.email == "jonh@gmail.com"


@pytest.mark.parametrize("typed", ["jonh@gmail.com", "Jonh@Gmail.COM", " jonh@gmail.com"])
def test_log_in_finds_the_email_in_any_case(rf, typed):
    user = User.objects.create_user(email="Jonh@gmail.com", password=PASSWORD)
    assert authenticate(rf.post("/"), username=typed, password=PASSWORD) == user
    assert authenticate(rf.post("/"), email=typed, password=PASSWORD) == user


@pytest.mark.django_db(transaction=True)
async def test_asynchronous_look_up_finds_the_email_in_any_case():
    user = await User.objects.acreate(email="jonh@gmail.com")
    assert await User.objects.aget_by_natural_key("JONH@gmail.com") == user


def test_inactive_user_cannot_log_in(rf):
    User.objects.create_user(email="jonh@gmail.com", password=PASSWORD, is_active=False)
    assert authenticate(rf.post("/"), username="jonh@gmail.com", password=PASSWORD) is None


def test_same_email_in_another_case_is_refused():
    User.objects.create_user(email="jonh@gmail.com")
    with pytest.raises(IntegrityError):
        User.objects.create_user(email="JONH@gmail.com")


def test_database_refuses_an_email_that_is_not_lower_case():
    with pytest.raises(IntegrityError, match="accounts_email_lower_case"):
        User.objects.bulk_create([User(email="Jonh@gmail.com")])


def test_database_refuses_an_unknown_role():
    with pytest.raises(IntegrityError, match="accounts_role_known"):
        User.objects.create_user(email="jonh@gmail.com", role="pilot")


def test_validation_reports_a_taken_email_once_and_at_its_field():
    User.objects.create_user(email="jonh@gmail.com")
    with pytest.raises(ValidationError) as raised:
        User(email="Jonh@gmail.com", name="Jonh", password="x").full_clean()
    assert raised.value.message_dict == {
        "email": ["A user with that e-mail address already exists."]
    }


@pytest.mark.parametrize(
    ("name", "text"), [("Jonh", "Jonh"), ("", "jonh@gmail.com")], ids=["named", "nameless"]
)
def test_user_shows_as_name_or_else_as_email(name, text):
    assert str(User(email="jonh@gmail.com", name=name)) == text


def test_createsuperuser_makes_a_dispatcher_who_may_do_everything(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command(
        "createsuperuser", email="Admin@example.com", name="Ada", interactive=False, verbosity=0
    )
    user = User.objects.get(email="admin@example.com")
    assert (user.name, user.role) == ("Ada", User.Role.DISPATCHER)
    assert (user.is_staff, user.is_superuser) == (True, True)
    assert user.check_password(PASSWORD)
