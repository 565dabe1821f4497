import re
from datetime import UTC, datetime

import pytest
from django.contrib import admin as site_admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone

from tracking.grants import end_grant, open_grant
from tracking.models import WatchGrant

from .times import HOUR

pytestmark = pytest.mark.django_db

GRANTS = "/admin/tracking/watchgrant/"
ROWS = 1_000

User = get_user_model()


@pytest.fixture
def admin(client):
    client.force_login(User.objects.create_superuser(email="admin@staff.test", name="Admin"))
    return client


@pytest.fixture
def one_of_each(people):
    """Store a grant in each state; its reference is the state's name."""
    driver, watcher = people
    now = timezone.now()
    for reference, starts_at, ends_at, ended_at in [
        ("live", now, now + HOUR, None),
        ("future", now + HOUR, now + 2 * HOUR, None),
        ("expired", now - HOUR, now, None),
        ("ended", now, now + HOUR, now),
    ]:
        WatchGrant.objects.create(
            driver=driver,
            watcher=watcher,
            starts_at=starts_at,
            ends_at=ends_at,
            ended_at=ended_at,
            reference=reference,
        )


def references(response):
    assert response.status_code == 200
    return {grant.reference for grant in response.context["cl"].result_list}


def cells(response, column):
    """Return the texts of a column."""
    html = response.content.decode()
    found = re.findall(rf'<t[dh] class="field-{column}[^>]*>(.*?)</t[dh]>', html, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in found]


def another_rider():
    return User.objects.create_user(email="rider@x.test", name="Rider")


def change_page(grant):
    return f"{GRANTS}{grant.pk}/change/"


def on_form(**times):
    """Return the form's fields for these times."""
    fields = {}
    for field, time in times.items():
        local = timezone.localtime(time)
        fields |= {f"{field}_0": f"{local:%Y-%m-%d}", f"{field}_1": f"{local:%H:%M:%S}"}
    return fields


# The list


def test_row_shows_watcher_driver_and_reference(admin, grant):
    response = admin.get(GRANTS)
    assert cells(response, "reference_or_id") == ["trip 7"]
    assert cells(response, "driver_identity") == ["Mary mary@example.com"]
    assert cells(response, "watcher_identity") == ["Jonh jonh@gmail.com"]
    assert cells(response, "ends") == [f"{grant.ends_at:%Y-%m-%d %H:%M}"]


def test_state_is_said_in_words_and_colours(admin, one_of_each):
    response = admin.get(GRANTS)
    states = cells(response, "state")
    assert states == cells(response, "reference_or_id")
    assert set(states) == set(WatchGrant.State.values)
    for state in states:
        assert f'class="tracking-status tracking-{state}"' in response.content.decode()
    assert "tracking/grants-admin.css" in response.content.decode()


@pytest.mark.parametrize("state", WatchGrant.State.values)
def test_filter_selects_by_state(admin, one_of_each, state):
    assert references(admin.get(GRANTS, {"state": state})) == {state}


def test_unknown_state_filters_nothing(admin, one_of_each):
    assert len(references(admin.get(GRANTS, {"state": "nonsense"}))) == 4


@pytest.mark.parametrize("query", ["trip 7", "Mary", "MARY@example", "Jonh", "jonh@gm"])
def test_search_finds_by_reference_and_by_name_and_email_of_both(admin, grant, query):
    other = [User.objects.create_user(email=f"{n}@x.test", role="driver") for n in range(2)]
    open_grant(driver=other[0], watcher=other[1], ends_at=grant.ends_at, reference="trip 8")
    assert references(admin.get(GRANTS, {"q": query})) == {"trip 7"}


def test_reference_and_names_are_escaped(admin, grant):
    WatchGrant.objects.update(reference="<b>7")
    User.objects.update(name="<i>Mary")
    html = admin.get(GRANTS).content.decode()
    assert "&lt;b&gt;7" in html
    assert "&lt;i&gt;Mary" in html
    assert "<b>7" not in html
    assert "<i>Mary" not in html


def test_times_are_in_the_projects_time_zone(admin, grant, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    moment = datetime(2999, 6, 1, 20, 30, tzinfo=UTC)
    WatchGrant.objects.update(ends_at=moment)
    response = admin.get(GRANTS)
    assert cells(response, "ends") == ["2999-06-02 05:30"]
    assert 'datetime="2999-06-02T05:30:00+09:00"' in response.content.decode()


@pytest.mark.parametrize("query", [{}, {"q": "Mary"}, {"state": "live"}, {"p": "5"}])
def test_long_list_takes_a_bounded_number_of_queries(
    admin, people, django_assert_max_num_queries, query
):
    driver, watcher = people
    now = timezone.now()
    WatchGrant.objects.bulk_create(
        WatchGrant(driver=driver, watcher=watcher, starts_at=now, ends_at=now + HOUR)
        for _ in range(ROWS)
    )
    # Session, user, count of matches, count of all, page.
    with django_assert_max_num_queries(5):
        response = admin.get(GRANTS, query)
    assert len(cells(response, "state")) == 100


# Opening


def test_form_suggests_a_grant_from_now_for_an_hour(admin):
    before = timezone.now()
    initial = admin.get(f"{GRANTS}add/").context["adminform"].form.initial
    assert before <= initial["starts_at"] <= timezone.now()
    assert initial["ends_at"] - initial["starts_at"] == HOUR


def test_users_are_found_by_typing(admin, people):
    html = admin.get(f"{GRANTS}add/").content.decode()
    assert html.count('class="admin-autocomplete"') == 2
    query = {"app_label": "tracking", "model_name": "watchgrant", "field_name": "driver"}
    found = admin.get("/admin/autocomplete/", {"term": "mary", **query}).json()
    assert [result["text"] for result in found["results"]] == ["Mary"]


def test_users_without_an_admin_are_given_by_id(admin, monkeypatch):
    monkeypatch.delitem(site_admin.site._registry, User)
    html = admin.get(f"{GRANTS}add/").content.decode()
    assert len(re.findall(r'<input type="text" name="(driver|watcher)"', html)) == 2


def test_form_opens_a_grant_and_has_the_watcher_checked(
    admin, people, rechecked, django_capture_on_commit_callbacks
):
    driver, watcher = people
    starts_at = timezone.now().replace(microsecond=0)
    with django_capture_on_commit_callbacks(execute=True):
        response = admin.post(
            f"{GRANTS}add/",
            {"driver": driver.pk, "watcher": watcher.pk, "reference": "trip 7"}
            | on_form(starts_at=starts_at, ends_at=starts_at + HOUR),
        )
    assert response.status_code == 302
    stored = WatchGrant.objects.get()
    assert (stored.driver, stored.watcher, stored.reference) == (driver, watcher, "trip 7")
    assert (stored.starts_at, stored.ends_at) == (starts_at, starts_at + HOUR)
    assert rechecked == [[watcher.pk]]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (lambda driver, now: {"watcher": driver.pk}, "watcher"),
        (lambda driver, now: on_form(starts_at=now - 2 * HOUR, ends_at=now - HOUR), "ends_at"),
        (lambda driver, now: on_form(ends_at=now + HOUR, starts_at=now + 2 * HOUR), "ends_at"),
        (lambda driver, now: {"reference": "x" * 101}, "reference"),
        (lambda driver, now: {"watcher": ""}, "watcher"),
        (lambda driver, now: {"ends_at_0": ""}, "ends_at"),
        (lambda driver, now: {"driver": another_rider().pk}, "driver"),
    ],
    ids=["itself", "in the past", "ends too early", "too long", "nobody", "no date", "no driver"],
)
def test_form_says_at_the_field_what_is_wrong(admin, people, wrong, field):
    driver, watcher = people
    now = timezone.now()
    form = {"driver": driver.pk, "watcher": watcher.pk, "reference": ""}
    form |= on_form(starts_at=now, ends_at=now + HOUR) | wrong(driver, now)
    response = admin.post(f"{GRANTS}add/", form)
    assert response.status_code == 200
    assert response.context["adminform"].form.errors.keys() == {field}
    assert not WatchGrant.objects.exists()


# Rescheduling, ending, deleting


def test_of_an_open_grant_only_the_end_changes(
    admin, grant, people, rechecked, django_capture_on_commit_callbacks
):
    ends_at = (grant.ends_at + HOUR).replace(microsecond=0)
    with django_capture_on_commit_callbacks(execute=True):
        response = admin.post(
            change_page(grant),
            {"watcher": people[0].pk, "reference": "x"} | on_form(ends_at=ends_at),
        )
    assert response.status_code == 302
    stored = WatchGrant.objects.get()
    assert (stored.watcher, stored.reference, stored.ends_at) == (people[1], "trip 7", ends_at)
    assert rechecked == [[grant.watcher_id]]


def test_grant_of_a_user_who_is_no_longer_a_driver_can_still_end_sooner(admin, grant):
    User.objects.filter(pk=grant.driver_id).update(role="rider")
    ends_at = (timezone.now() + HOUR / 2).replace(microsecond=0)
    assert admin.post(change_page(grant), on_form(ends_at=ends_at)).status_code == 302
    assert WatchGrant.objects.get().ends_at == ends_at


def test_end_in_the_past_is_refused_at_its_field(admin, grant):
    response = admin.post(change_page(grant), on_form(ends_at=timezone.now() - HOUR))
    assert response.context["adminform"].form.errors.keys() == {"ends_at"}


def test_ended_grant_can_be_looked_at_and_not_changed(admin, grant):
    end_grant(grant)
    response = admin.get(change_page(grant))
    assert response.status_code == 200
    assert 'name="_save"' not in response.content.decode()
    form = on_form(ends_at=grant.ends_at + HOUR)
    assert admin.post(change_page(grant), form).status_code == 403


def test_action_ends_the_selected_grants(
    admin, one_of_each, rechecked, django_capture_on_commit_callbacks
):
    selected = WatchGrant.objects.exclude(reference="future").values_list("pk", flat=True)
    with django_capture_on_commit_callbacks(execute=True):
        response = admin.post(
            f"{GRANTS}?q=jonh&o=3",
            {"action": "end_selected", "_selected_action": list(selected)},
            follow=True,
        )
    assert "2 grants ended." in response.content.decode()
    open_grants = WatchGrant.objects.filter(ended_at=None)
    assert set(open_grants.values_list("reference", flat=True)) == {"future"}
    assert rechecked == [[User.objects.get(name="Jonh").pk]]


def test_deletion_has_the_watcher_checked(
    admin, grant, rechecked, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        admin.post(
            GRANTS, {"action": "delete_selected", "_selected_action": grant.pk, "post": "yes"}
        )
    assert not WatchGrant.objects.exists()
    assert rechecked == [[grant.watcher_id]]


def test_user_with_grants_can_be_deleted(admin, grant):
    response = admin.post(f"/admin/accounts/user/{grant.driver_id}/delete/", {"post": "yes"})
    assert response.status_code == 302
    assert not WatchGrant.objects.exists()


# Permission


def test_staff_needs_the_permission_for_what_they_do(client, grant):
    staff = User.objects.create_user(email="staff@example.com", is_staff=True)
    client.force_login(staff)
    end = {"action": "end_selected", "_selected_action": grant.pk}
    assert client.get(GRANTS).status_code == 403

    staff.user_permissions.add(Permission.objects.get(codename="view_watchgrant"))
    assert client.get(GRANTS).status_code == 200
    assert client.get(f"{GRANTS}add/").status_code == 403
    client.post(GRANTS, end)
    assert WatchGrant.objects.get().ended_at is None

    staff.user_permissions.add(Permission.objects.get(codename="change_watchgrant"))
    client.post(GRANTS, end)
    assert WatchGrant.objects.get().ended_at is not None
