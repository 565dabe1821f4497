"""Staff give a code as well as a password, on every way to log in."""

import re
import subprocess
import sys
from datetime import timedelta
from io import StringIO

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework_simplejwt.tokens import RefreshToken

from accounts import second_factor
from accounts.checks import check_second_factor
from accounts.models import User
from accounts.tokens import refresh_token_for

from ..tracking.rest.problems import MEMBERS, problem_members
from .second_factor import app_code, give_app, next_code, wrong_code

pytestmark = pytest.mark.django_db

LOGIN = "/accounts/login/"
CODE = "/accounts/second-factor/"
SET_UP = "/accounts/second-factor/set-up/"
SETTINGS = "/accounts/second-factor/settings/"
TOKEN = "/accounts/token/"
PASSWORD = "correct horse battery staple"
STAFF_PAGES = ["/admin/", "/admin/accounts/user/", "/driver/fleet/", "/driver/search/?q=jonh", "/"]
STAFF_CALLS = [
    ("POST", "/accounts/token/session/"),
    ("GET", "/driver/grants/"),
    ("GET", "/driver/search/?q=jonh"),
    ("GET", "/admin/accounts/user/"),
]


@pytest.fixture(autouse=True)
def _required(settings):
    settings.REQUIRE_SECOND_FACTOR = True


@pytest.fixture
def browser():
    """The Accept header of a browser."""
    return Client(headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})


@pytest.fixture
def staff():
    """A superuser without a second factor."""
    return User.objects.create_superuser("ada@example.com", PASSWORD, name="Ada")


@pytest.fixture
def secured(staff):
    """The same user with a second factor."""
    give_app(staff)
    return staff


@pytest.fixture
def driver():
    return User.objects.create_user("jonh@gmail.com", PASSWORD, name="Jonh", role="driver")


def log_in(client, user, next_page="/admin/"):
    return client.post(
        LOGIN, {"username": user.email, "password": PASSWORD, "next": next_page}, follow=True
    )


def give(client, code, path=CODE, **fields):
    return client.post(path, {"code": code, **fields})


def enter(client, user):
    """Log in with password and code."""
    log_in(client, user)
    assert give(client, next_code(user)).status_code == 302


def where(response):
    return response.redirect_chain[-1][0]


def error(response):
    assert response.status_code == 200
    return str(response.context["form"].errors["code"][0])


def recovery_codes(response):
    return response.context["codes"]


# Ways to log in


@pytest.mark.parametrize("path", STAFF_PAGES)
def test_page_leads_from_the_password_to_the_code_and_back(browser, secured, path):
    response = log_in(browser, secured, path)
    assert response.request["PATH_INFO"] == CODE
    assert f'name="next" value="{path}"' in response.content.decode()
    answer = give(browser, next_code(secured), next=path)
    assert (answer.status_code, answer.url) == (302, path)
    assert browser.get(path).status_code == 200


@pytest.mark.parametrize("path", STAFF_PAGES)
def test_page_leads_staff_without_a_second_factor_to_its_set_up(browser, staff, path):
    response = log_in(browser, staff, path)
    assert response.request["PATH_INFO"] == SET_UP
    assert f'name="next" value="{path}"' in response.content.decode()


def test_the_admins_own_log_in_leads_to_the_code(browser, secured):
    form = {"username": secured.email, "password": PASSWORD, "next": "/admin/"}
    response = browser.post("/admin/login/", form, follow=True)
    assert response.request["PATH_INFO"] == CODE


@pytest.mark.parametrize(("method", "path"), STAFF_CALLS)
@pytest.mark.parametrize("who", ["staff", "secured"])
def test_call_of_a_session_without_its_code_is_refused(client, request, who, method, path):
    log_in(client, request.getfixturevalue(who))
    response = client.generic(method, path)
    assert response.status_code == 403
    assert response.json()["code"] == "otp_required"
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("method", "path"), STAFF_CALLS)
def test_call_of_a_session_with_its_code_is_answered(client, secured, method, path):
    enter(client, secured)
    assert client.generic(method, path).status_code == 200


def test_superuser_who_is_no_staff_gives_a_code_too(client, secured):
    User.objects.update(is_staff=False)
    log_in(client, secured)
    assert client.get("/driver/grants/").status_code == 403
    assert client.get("/driver/grants/").json()["code"] == "otp_required"


def test_form_that_a_page_sends_is_not_sent_again_after_the_code(browser, secured):
    browser.force_login(secured)
    response = browser.post("/admin/accounts/user/add/", {"email": "x@example.com"})
    assert response.url == f"{CODE}?next=/"
    assert not User.objects.filter(email="x@example.com").exists()


def test_drivers_and_riders_need_no_code(client, driver):
    assert where(log_in(client, driver, "/driver/share/")) == "/driver/share/"
    assert client.post("/accounts/token/session/").json().keys() == {"access"}
    assert client.get(CODE).url == "/"
    assert client.get(SET_UP).url == "/"


def test_session_without_its_code_can_log_out(client, secured):
    log_in(client, secured)
    assert client.post("/accounts/logout/").url == LOGIN
    assert "_auth_user_id" not in client.session


def test_device_of_another_user_does_not_verify_the_session(client, secured):
    other = User.objects.create_superuser("eve@example.com", PASSWORD, name="Eve")
    device = give_app(other)
    client.force_login(secured)
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = device.persistent_id
    session.save()
    assert client.get("/admin/").status_code == 403


def test_user_with_a_device_gives_a_code_even_if_none_is_required(client, secured, settings):
    settings.REQUIRE_SECOND_FACTOR = False
    log_in(client, secured)
    assert client.get("/admin/").status_code == 403
    give(client, next_code(secured))
    assert client.get("/admin/").status_code == 200


def test_staff_without_a_device_gets_in_if_none_is_required(client, staff, settings):
    settings.REQUIRE_SECOND_FACTOR = False
    assert where(log_in(client, staff)) == "/admin/"


def test_session_gets_a_new_key_once_it_is_verified(client, secured):
    log_in(client, secured)
    before = client.session.session_key
    give(client, next_code(secured))
    assert client.session.session_key != before
    assert not client.session.exists(before)


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example"])
def test_code_leads_to_no_other_site(client, secured, elsewhere):
    log_in(client, secured)
    assert give(client, next_code(secured), next=elsewhere).url == "/"


@pytest.mark.parametrize("path", [CODE, SET_UP, SETTINGS])
def test_pages_require_a_log_in(client, path):
    response = client.get(path)
    assert response.status_code == 302
    assert response.url.startswith(LOGIN)


@pytest.mark.parametrize("path", [CODE, SET_UP, SETTINGS])
def test_form_without_the_csrf_token_is_refused(secured, path):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(secured)
    response = strict.post(path, {"code": next_code(secured)})
    assert response.status_code == 403
    assert DEVICE_ID_SESSION_KEY not in strict.session


def test_a_page_takes_one_query_more_for_the_device(client, secured, django_assert_num_queries):
    enter(client, secured)
    # Session, user, device, drivers, number of drivers.
    with django_assert_num_queries(5):
        assert client.get("/driver/search/?q=x").status_code == 200


# Codes


def test_code_is_good_once(client, secured):
    code = next_code(secured)
    log_in(client, secured)
    assert give(client, code).status_code == 302
    other = Client()
    log_in(other, secured)
    assert "used already" in error(give(other, code))
    assert DEVICE_ID_SESSION_KEY not in other.session


def test_code_that_set_the_app_up_is_not_good_again(client, staff):
    page = log_in(client, staff)
    page = client.get(SET_UP)
    code = app_code(page.context["key"])
    assert give(client, code, SET_UP).status_code == 200
    other = Client()
    log_in(other, staff)
    assert "used already" in error(give(other, code))


def test_code_may_be_typed_with_spaces(client, secured):
    code = next_code(secured)
    log_in(client, secured)
    assert give(client, f" {code[:3]} {code[3:]} ").status_code == 302


@pytest.mark.parametrize("code", ["000", "abcdef", "\u0661\u0662\u0663\u0664\u0665\u0666", "-1"])
def test_malformed_code_is_refused(client, secured, code):
    log_in(client, secured)
    assert "wrong" in error(give(client, code))
    assert DEVICE_ID_SESSION_KEY not in client.session


def test_each_wrong_code_doubles_the_wait(client, secured):
    log_in(client, secured)
    assert "wrong" in error(give(client, wrong_code(secured)))
    TOTPDevice.objects.update(
        throttling_failure_count=8, throttling_failure_timestamp=timezone.now()
    )
    assert (
        error(give(client, next_code(secured))) == "Too many wrong codes. Try again in 3 minutes."
    )
    assert AccessAttempt.objects.get().failures_since_start == 1
    ago = timezone.now() - timedelta(seconds=2**7)
    TOTPDevice.objects.update(throttling_failure_timestamp=ago)
    assert give(client, next_code(secured)).status_code == 302


def guess(client, user):
    """Give a wrong code, as if the wait for the previous one were over."""
    TOTPDevice.objects.update(throttling_failure_count=0)
    return give(client, wrong_code(user))


def test_fifth_wrong_code_locks_the_account_at_that_address(client, secured):
    log_in(client, secured)
    for _ in range(4):
        assert guess(client, secured).status_code == 200
    assert guess(client, secured).status_code == 429
    TOTPDevice.objects.update(throttling_failure_count=0)
    response = give(client, next_code(secured))
    assert response.status_code == 429
    assert "Too many failed log-ins" in response.content.decode()
    assert DEVICE_ID_SESSION_KEY not in client.session
    assert log_in(Client(), secured).status_code == 429


def test_password_between_the_guesses_does_not_reset_the_count(client, secured):
    for _ in range(4):
        log_in(client, secured)
        guess(client, secured)
    log_in(client, secured)
    assert guess(client, secured).status_code == 429


def test_right_code_resets_the_count_of_wrong_ones(client, secured):
    log_in(client, secured)
    guess(client, secured)
    assert AccessAttempt.objects.exists()
    TOTPDevice.objects.update(throttling_failure_count=0)
    give(client, next_code(secured))
    assert not AccessAttempt.objects.exists()


def test_codes_are_neither_stored_nor_logged(client, secured, caplog):
    caplog.set_level("DEBUG")
    code = wrong_code(secured)
    log_in(client, secured)
    give(client, code)
    assert code not in str(list(AccessAttempt.objects.values()))
    assert code not in caplog.text


# Set-up


def test_set_up_shows_a_secret_and_takes_the_apps_first_code(browser, staff):
    page = log_in(browser, staff, "/driver/fleet/")
    html = page.content.decode()
    assert '<img class="qr-code" src="data:image/svg+xml' in html
    assert 'autocomplete="one-time-code"' in html
    assert 'inputmode="numeric"' in html
    url = page.context["key_url"]
    key = page.context["key"]
    assert url.startswith("otpauth://totp/Ridehail%3Aada%40example.com?secret=")
    assert f"secret={key.replace(' ', '')}&" in url
    response = give(browser, app_code(key), SET_UP, next="/driver/fleet/")
    assert response.status_code == 200
    assert len(set(recovery_codes(response))) == 10
    assert 'href="/driver/fleet/"' in response.content.decode()
    assert browser.get("/driver/fleet/").status_code == 200
    assert TOTPDevice.objects.get().user == staff


def test_wrong_code_sets_nothing_up_and_keeps_the_secret(client, staff):
    log_in(client, staff)
    key = client.get(SET_UP).context["key"]
    response = give(client, "000000" if app_code(key) != "000000" else "000001", SET_UP)
    assert "does not match" in error(response)
    assert response.context["key"] == key
    assert not second_factor.has_device(staff)
    assert give(client, app_code(key), SET_UP).status_code == 200
    assert second_factor.has_device(staff)


def test_each_session_has_a_secret_of_its_own(client, staff):
    other = Client()
    for session in (client, other):
        log_in(session, staff)
    assert client.get(SET_UP).context["key"] != other.get(SET_UP).context["key"]


def test_second_session_cannot_set_up_another_app(client, secured):
    """Not even a session that opened the set-up page before."""
    second_factor.reset(secured)
    log_in(client, secured)
    key = client.get(SET_UP).context["key"]
    give_app(secured)
    response = give(client, app_code(key), SET_UP)
    assert (response.status_code, response.url) == (302, f"{CODE}?next=/")
    assert second_factor.set_up(secured, "00" * 20, app_code("A" * 32)) is None
    assert DEVICE_ID_SESSION_KEY not in client.session


def test_secret_is_not_shown_once_there_is_a_device(client, secured):
    log_in(client, secured)
    assert client.get(SET_UP).url == f"{CODE}?next=/"
    give(client, next_code(secured))
    assert client.get(SET_UP).url == SETTINGS


def test_pages_with_secrets_are_not_cached(client, staff):
    log_in(client, staff)
    page = client.get(SET_UP)
    assert "no-store" in page["Cache-Control"]
    codes = give(client, app_code(page.context["key"]), SET_UP)
    assert "no-store" in codes["Cache-Control"]


# Recovery codes, and changes


def test_recovery_code_is_good_once(client, secured):
    code, *others = second_factor.new_recovery_codes(secured)
    assert len(others) == 9
    log_in(client, secured)
    assert give(client, code).status_code == 302
    assert client.get("/admin/").status_code == 200
    other = Client()
    log_in(other, secured)
    assert "wrong" in error(give(other, code))
    StaticDevice.objects.update(throttling_failure_count=0)
    assert give(other, others[0].replace(" ", "")).status_code == 302


def test_wrong_recovery_codes_do_not_block_the_app(client, secured):
    second_factor.new_recovery_codes(secured)
    log_in(client, secured)
    give(client, "11111 11111")
    assert "Too many" in error(give(client, "11111 11111"))
    assert give(client, next_code(secured)).status_code == 302


def test_new_recovery_codes_replace_the_old_ones(client, secured):
    old = second_factor.new_recovery_codes(secured)
    enter(client, secured)
    response = give(client, next_code(secured), SETTINGS, action="codes")
    new = recovery_codes(response)
    assert not set(new) & set(old)
    assert StaticToken.objects.count() == 10
    assert second_factor.verify(secured, old[0]) is None
    StaticDevice.objects.update(throttling_failure_count=0)
    assert second_factor.verify(secured, new[0])


def test_recovery_codes_are_counted_and_never_shown_again(client, secured):
    codes = second_factor.new_recovery_codes(secured)
    second_factor.verify(secured, codes[0])
    enter(client, secured)
    page = client.get(SETTINGS).content.decode()
    assert "You have 9 recovery codes left." in page
    assert not re.search(r"\d{5} ?\d{5}", page)


@pytest.mark.parametrize("action", ["codes", "replace", "remove"])
def test_nothing_is_changed_without_a_code(client, secured, settings, action):
    settings.REQUIRE_SECOND_FACTOR = False
    enter(client, secured)
    held = list(StaticToken.objects.values_list("token")), TOTPDevice.objects.get().key
    assert "wrong" in error(give(client, wrong_code(secured), SETTINGS, action=action))
    assert held == (list(StaticToken.objects.values_list("token")), TOTPDevice.objects.get().key)
    assert client.get(SET_UP).url == SETTINGS


def test_app_is_replaced_once_the_new_one_shows_a_code(client, secured):
    old = second_factor.new_recovery_codes(secured)
    enter(client, secured)
    before = TOTPDevice.objects.get()
    assert give(client, next_code(secured), SETTINGS, action="replace").url == f"{SET_UP}?next=/"
    key = client.get(SET_UP).context["key"]
    assert TOTPDevice.objects.get() == before
    new = recovery_codes(give(client, app_code(key), SET_UP))
    assert TOTPDevice.objects.get().key != before.key
    assert not set(new) & set(old)
    assert client.get("/admin/").status_code == 200
    # Once only.
    assert client.get(SET_UP).url == SETTINGS


def test_sessions_of_the_old_app_give_a_code_of_the_new_one(client, secured):
    other = Client()
    for session in (client, other):
        enter(session, secured)
    give(client, next_code(secured), SETTINGS, action="replace")
    give(client, app_code(client.get(SET_UP).context["key"]), SET_UP)
    assert other.get("/admin/").status_code == 403
    assert client.get("/admin/").status_code == 200


def test_second_factor_can_be_turned_off_only_if_none_is_required(client, secured, settings):
    enter(client, secured)
    assert b'value="remove"' not in client.get(SETTINGS).content
    give(client, next_code(secured), SETTINGS, action="remove")
    assert second_factor.has_device(secured)
    settings.REQUIRE_SECOND_FACTOR = False
    assert b'value="remove"' in client.get(SETTINGS).content
    give(client, next_code(secured), SETTINGS, action="remove")
    assert not second_factor.has_device(secured)


# Lost devices


@pytest.fixture
def admin(client, secured):
    enter(client, secured)
    return client


@pytest.fixture
def colleague():
    user = User.objects.create_user("eve@example.com", PASSWORD, name="Eve", is_staff=True)
    give_app(user)
    return user


def reset(client, *users):
    chosen = {"action": "reset_second_factor", "_selected_action": [user.pk for user in users]}
    return client.post("/admin/accounts/user/", chosen, follow=True)


def test_superuser_resets_a_colleagues_second_factor(admin, secured, colleague):
    session = Client()
    enter(session, colleague)
    page = reset(admin, colleague, secured)
    assert "1 second factor was reset" in page.content.decode()
    assert not second_factor.has_device(colleague)
    # The superuser's own is not reset: that takes a code.
    assert second_factor.has_device(secured)
    assert session.get("/admin/").status_code == 403
    history = admin.get(f"/admin/accounts/user/{colleague.pk}/history/").content.decode()
    assert "second factor" in history


def test_staff_cannot_reset_anybodys_second_factor(client, secured, colleague):
    codename = ["change_user", "view_user", "delete_totpdevice", "change_totpdevice"]
    colleague.user_permissions.set(Permission.objects.filter(codename__in=codename))
    enter(client, colleague)
    reset(client, secured)
    assert second_factor.has_device(secured)
    # Nor can they see, in django-otp's admin, the secrets behind the codes.
    assert client.get("/admin/otp_totp/totpdevice/").status_code == 404
    assert client.get("/admin/otp_static/staticdevice/").status_code == 404


def test_admin_shows_which_staff_has_none(admin, colleague, driver):
    second_factor.reset(colleague)
    found = {
        user.email: admin.get("/admin/accounts/user/").context["cl"].model_admin.second_factor(user)
        for user in admin.get("/admin/accounts/user/").context["cl"].result_list
    }
    assert found == {"ada@example.com": True, "eve@example.com": False, "jonh@gmail.com": None}


def test_command_resets_the_last_superusers_second_factor(secured):
    out = StringIO()
    call_command("reset_second_factor", "ADA@example.com", stdout=out)
    assert "sets up a new one at the next log-in" in out.getvalue()
    assert not second_factor.has_device(secured)
    for email in ("ada@example.com", "nobody@example.com"):
        with pytest.raises(CommandError, match=email):
            call_command("reset_second_factor", email)


# Tokens


def token(client, user, **fields):
    body = {"email": user.email, "password": PASSWORD, **fields}
    return client.post(TOKEN, body, content_type="application/json")


def renew(client, refresh):
    return client.post(f"{TOKEN}refresh/", {"refresh": refresh}, content_type="application/json")


def test_password_alone_gives_no_token_to_who_has_a_device(client, secured):
    response = token(client, secured)
    assert (response.status_code, response.json()["code"]) == (401, "otp_required")
    wrong = problem_members(token(client, secured, password="wrong"), 401)
    assert (wrong.keys(), wrong["code"]) == (set(MEMBERS), "no_active_account")


def test_password_alone_gives_no_token_to_staff_without_a_device(client, staff):
    response = token(client, staff)
    assert (response.status_code, response.json()["code"]) == (403, "otp_not_set_up")
    assert token(client, staff, otp="123456").status_code == 403


def test_password_and_code_give_tokens_that_can_be_renewed(client, secured):
    recovery, *_ = second_factor.new_recovery_codes(secured)
    for code in (next_code(secured), recovery):
        response = token(client, secured, otp=code)
        assert response.status_code == 200
        assert response.json().keys() == {"access", "refresh"}
        again = renew(client, response.json()["refresh"])
        assert again.status_code == 200
        assert renew(client, again.json()["refresh"]).status_code == 200
        assert token(client, secured, otp=code).json()["code"] == "otp_invalid"
        TOTPDevice.objects.update(throttling_failure_count=0)


def test_refresh_token_ends_with_the_device(client, secured):
    refresh = token(client, secured, otp=next_code(secured)).json()["refresh"]
    second_factor.reset(secured)
    give_app(secured)
    assert renew(client, refresh).status_code == 401
    assert renew(client, refresh).json()["code"] == "token_not_valid"


@pytest.mark.parametrize("change", ["device", "staff"])
def test_refresh_token_of_a_password_alone_ends_once_more_is_needed(client, driver, change):
    refresh = refresh_token_for(driver)
    if change == "device":
        give_app(driver)
    else:
        User.objects.update(is_staff=True)
    assert renew(client, refresh).status_code == 401


def test_wrong_codes_are_slowed_down_and_lock_the_api_too(client, secured):
    assert token(client, secured, otp=wrong_code(secured)).json()["code"] == "otp_invalid"
    response = token(client, secured, otp=wrong_code(secured))
    assert (response.status_code, response.json()["code"]) == (429, "otp_throttled")
    assert int(response["Retry-After"]) == 1
    for _ in range(4):
        TOTPDevice.objects.update(throttling_failure_count=0)
        response = token(client, secured, otp=wrong_code(secured))
    assert (response.status_code, response.json()["code"]) == (429, "locked_out")
    TOTPDevice.objects.update(throttling_failure_count=0)
    assert token(client, secured, otp=next_code(secured)).json()["code"] == "locked_out"


@pytest.mark.parametrize("otp", ["", None, "1" * 33, ["123456"], {}])
def test_malformed_code_is_answered_400_naming_the_field(client, secured, otp):
    response = token(client, secured, otp=otp)
    assert problem_members(response, 400).keys() == {*MEMBERS, "errors", "otp"}


def test_drivers_need_no_code_for_tokens(client, driver):
    response = token(client, driver)
    assert response.status_code == 200
    assert response.json().keys() == {"access", "refresh"}
    claims = RefreshToken(response.json()["refresh"]).payload.keys()
    assert claims == {"id", "password", "log_in", "token_type", "exp", "iat", "jti"}
    assert renew(client, response.json()["refresh"]).status_code == 200


# Settings


@pytest.mark.parametrize(
    ("debug", "required", "found"),
    [(False, False, ["accounts.W001"]), (False, True, []), (True, False, [])],
)
def test_deployment_check_warns_if_no_second_factor_is_required(settings, debug, required, found):
    settings.DEBUG, settings.REQUIRE_SECOND_FACTOR = debug, required
    assert [message.id for message in check_second_factor()] == found


def test_check_is_registered_for_deployment():
    run = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy"],
        env={"DEBUG": "0", "SECRET_KEY": "s" * 50, "JWT_SIGNING_KEY": "j" * 50}
        | {"REQUIRE_SECOND_FACTOR": "off"},
        capture_output=True,
        text=True,
    )
    assert "accounts.W001" in run.stderr
