"""Rechecks of open sessions when a user changes."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db.models import signals
from django.test.utils import isolate_apps
from django.utils import timezone

from tracking import revocation
from tracking.access import user_changes
from tracking.apps import connect_receivers
from tracking.grants import open_grant
from tracking.models import WatchGrant

pytestmark = pytest.mark.django_db(transaction=True)

User = get_user_model()


@pytest.fixture
def user():
    return User.objects.create_user(email="jonh@gmail.com", name="Jonh")


@pytest.fixture(autouse=True)
def rechecked(user, monkeypatch):
    """Return the log of rechecks: the user ids of each call."""
    calls = []
    monkeypatch.setattr(user_changes, "recheck", calls.append)
    monkeypatch.setattr(revocation, "recheck", calls.append)
    return calls


@pytest.fixture
def proxy_of(monkeypatch):
    """Return a proxy of a model, registered as a class that existed at start-up is."""
    for signal in (signals.pre_save, signals.post_save, signals.pre_delete, signals.post_delete):
        monkeypatch.setattr(signal, "receivers", list(signal.receivers))

    def proxy_of(model):
        with isolate_apps(model._meta.app_label):
            meta = type("Meta", (), {"proxy": True, "app_label": model._meta.app_label})
            proxy = type("Proxy", (model,), {"__module__": __name__, "Meta": meta})
        connect_receivers([proxy])
        return proxy

    return proxy_of


def test_user_who_is_saved_or_deleted_is_checked(user, rechecked):
    user_id = user.pk
    user.save()
    user.delete()
    assert rechecked == [[user_id]] * 2


def test_log_in_and_a_new_user_check_no_open_session(user, rechecked):
    user.save(update_fields=["last_login"])
    User.objects.create_user(email="mary@gmail.com")
    assert rechecked == []


def test_change_through_a_proxy_of_the_user_model_counts(user, rechecked, proxy_of):
    same = proxy_of(User).objects.get(pk=user.pk)
    same.is_active = False
    same.save()
    same.delete()
    assert rechecked == [[user.pk]] * 2


def test_change_through_a_proxy_of_the_grants_counts(user, rechecked, proxy_of):
    driver = User.objects.create_user(email="driver@example.com", role="driver")
    open_grant(driver=driver, watcher=user, ends_at=timezone.now() + timedelta(hours=1))
    same = proxy_of(WatchGrant).objects.get()
    same.save()
    same.delete()
    assert rechecked == [[user.pk]] * 3
