import pytest

from accounts.models import User

pytestmark = pytest.mark.django_db

USERS = "/admin/accounts/user/"
PASSWORD = "correct horse battery staple"


@pytest.fixture
def admin(client):
    user = User.objects.create_superuser(email="admin@example.com", password="x", name="Ada")
    client.force_login(user)
    return client


@pytest.fixture
def driver():
    return User.objects.create_user(email="jonh@gmail.com", name="Jonh", role="driver")


def new_user(**changes):
    return {
        "email": "new@example.com",
        "name": "New",
        "role": "driver",
        "usable_password": "true",
        "password1": PASSWORD,
        "password2": PASSWORD,
        **changes,
    }


def emails(response):
    return [user.email for user in response.context["cl"].result_list]


def test_users_are_found_by_name_and_email(admin, driver):
    assert emails(admin.get(USERS, {"q": "Jonh"})) == ["jonh@gmail.com"]
    assert emails(admin.get(USERS, {"q": "gmail"})) == ["jonh@gmail.com"]


def test_users_are_filtered_by_role_and_status(admin, driver):
    assert emails(admin.get(USERS, {"role__exact": "driver"})) == ["jonh@gmail.com"]
    assert emails(admin.get(USERS, {"is_active__exact": "0"})) == []


def test_added_user_can_log_in(admin, client):
    response = admin.post(f"{USERS}add/", new_user(email="New@Example.com"))
    assert response.status_code == 302
    user = User.objects.get(email="new@example.com")
    assert user.role == User.Role.DRIVER
    assert user.check_password(PASSWORD)


def test_email_taken_in_another_case_is_reported_once_at_its_field(admin, driver):
    response = admin.post(f"{USERS}add/", new_user(email="JONH@gmail.com"))
    assert response.status_code == 200
    assert response.context["adminform"].form.errors == {
        "email": ["A user with that e-mail address already exists."]
    }


def test_weak_password_is_refused(admin):
    response = admin.post(f"{USERS}add/", new_user(password1="12345678", password2="12345678"))
    assert "password2" in response.context["adminform"].form.errors


def test_user_is_changed_without_touching_the_password(admin, driver):
    driver.set_password(PASSWORD)
    driver.save()
    page = f"{USERS}{driver.pk}/change/"
    assert admin.get(page).status_code == 200
    response = admin.post(
        page, {"email": "Jonh@New.example", "name": "John", "role": "rider", "is_active": "on"}
    )
    assert response.status_code == 302
    driver.refresh_from_db()
    assert (driver.email, driver.name, driver.role) == ("jonh@new.example", "John", "rider")
    assert driver.check_password(PASSWORD)


def test_password_is_changed_on_its_own_page(admin, driver):
    response = admin.post(
        f"{USERS}{driver.pk}/password/",
        {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD},
    )
    assert response.status_code == 302
    driver.refresh_from_db()
    assert driver.check_password(PASSWORD)


def test_admin_log_in_takes_the_email(client):
    User.objects.create_superuser(email="admin@example.com", password=PASSWORD)
    response = client.post(
        "/admin/login/?next=/admin/", {"username": "Admin@example.com", "password": PASSWORD}
    )
    assert response.url == "/admin/"


def test_rider_is_not_let_into_the_admin(client, driver):
    client.force_login(driver)
    assert client.get(USERS).status_code == 302


@pytest.mark.parametrize(("password", "accepted"), [("x7!kQp2#vL9", False), ("x7!kQp2#vL9z", True)])
def test_password_has_twelve_characters_or_more(admin, password, accepted):
    answer = admin.post(f"{USERS}add/", new_user(password1=password, password2=password))
    assert (answer.status_code == 302) is accepted
    if not accepted:
        assert "12" in str(answer.context["errors"])
