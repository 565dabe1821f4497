"""Watch grants. Dispatch opens one when a trip is assigned, and ends it when the trip ends.

When a grant is changed by these functions, the admin, `grant.save()` or a deletion, the watcher's
open connections on every worker are checked again after the commit. `QuerySet.update()` and the
bulk methods send no signal: their changes take effect at the next regular check.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import router, transaction
from django.db.models import QuerySet
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save
from django.utils import timezone
from django.utils.translation import gettext

from tracking import revocation
from tracking.arguments import InvalidArguments, id_of
from tracking.ids import UserId
from tracking.models import WatchGrant
from tracking.permissions import NO_DRIVER, is_driver


class InvalidGrant(InvalidArguments):
    """Raised for an invalid grant. `reasons` holds the messages by field name."""


def open_grant(
    *,
    driver: AbstractBaseUser | UserId,
    watcher: AbstractBaseUser | UserId,
    ends_at: datetime,
    reference: str = "",
    starts_at: datetime | None = None,
    by: AbstractBaseUser | UserId | None = None,
) -> WatchGrant:
    """Store and return a grant that starts at `starts_at`, by default now.

    Users are given as objects or ids. `by` is the user who opens the grant; it is stored.

    Raise InvalidGrant, a ValueError, for a time without a time zone; an `ends_at` that is not in
    the future, not after `starts_at`, or more than TRACKING["MAX_GRANT_DURATION"] after it; a
    driver who is the watcher or may not publish; a user who does not exist; a reference of more
    than 100 characters.
    """
    grant = WatchGrant(
        driver_id=id_of(driver),
        watcher_id=id_of(watcher),
        starts_at=timezone.now() if starts_at is None else starts_at,
        ends_at=ends_at,
        reference=reference,
        opened_by_id=id_of(by),
    )
    _validate(grant, driver=_driver_reasons(grant.driver_id))
    grant.save()
    return grant


def reschedule_grant(
    grant: WatchGrant, *, ends_at: datetime, by: AbstractBaseUser | UserId | None = None
) -> None:
    """Change when `grant` ends. One that has expired becomes live again.

    `by` is the user who reschedules it. Raise InvalidGrant for a time that `open_grant` refuses,
    and for a grant that was ended or deleted, also by another process.
    """
    before, grant.ends_at = grant.ends_at, ends_at
    using = router.db_for_write(WatchGrant)
    try:
        with transaction.atomic(using=using):
            # Locked, so that the grant cannot be ended between the check and the change.
            stored = WatchGrant.objects.using(using).select_for_update().filter(pk=grant.pk)
            ended = stored.values_list("ended_at", flat=True)[:1]
            if list(ended) != [None]:
                raise InvalidGrant(
                    {"ends_at": ["This grant was ended and can't be reopened. Open a new one."]}
                )
            _validate(grant)
            grant.changed_by_id = id_of(by)
            grant.save(using=using, update_fields=["ends_at", "changed_by"])
    except BaseException:
        grant.ends_at = before
        raise


def end_grant(grant: WatchGrant, *, by: AbstractBaseUser | UserId | None = None) -> None:
    """End `grant` now, also before it starts. Do nothing if it was ended or deleted before.

    `by` is the user who ends it.
    """
    stored = WatchGrant.objects.using(router.db_for_write(WatchGrant)).filter(pk=grant.pk)
    end_grants(stored, by=by)
    ended = stored.values_list("ended_at", "ended_by").first()
    grant.ended_at, grant.ended_by_id = ended or (None, None)


def end_grants(grants: QuerySet[WatchGrant], *, by: AbstractBaseUser | UserId | None = None) -> int:
    """End those of `grants` that have not been ended, and return their number."""
    using = router.db_for_write(WatchGrant)
    with transaction.atomic(using=using):
        # Lock the rows, so that only the first of two callers ends a grant. Lock them in order, so
        # that two callers who end many cannot deadlock.
        open_grants = WatchGrant.objects.using(using).filter(
            pk__in=grants.using(using).values("pk"), ended_at=None
        )
        locked = open_grants.select_for_update().order_by("pk")
        watchers = dict(locked.values_list("pk", "watcher_id"))
        WatchGrant.objects.using(using).filter(pk__in=watchers).update(
            ended_at=timezone.now(), ended_by=id_of(by)
        )
        _recheck_on_commit(watchers.values(), using)
    return len(watchers)


def _driver_reasons(driver_id: Any) -> list[str]:
    """Return the reasons why a grant cannot name that user as its driver."""
    driver = get_user_model()._base_manager.filter(pk=driver_id).first()
    if driver is None:
        return [gettext("There is no such user.")]
    return [] if is_driver(driver) else [str(NO_DRIVER)]


def _validate(grant: WatchGrant, driver: list[str] | None = None) -> None:
    """Raise InvalidGrant if the grant is invalid.

    `driver` holds the reasons already found for that field; with None, it is validated here.
    """
    exclude = set() if driver is None else {"driver"}
    reasons = {"driver": driver} if driver else {}
    cause = None
    try:
        grant.full_clean(exclude, validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        cause = error
        for name, found in _by_field(error):
            reasons[name] = [_reason(name, each) for each in found]
    if reasons:
        raise InvalidGrant(reasons) from cause


def _by_field(error: ValidationError) -> Iterable[tuple[str, list[ValidationError]]]:
    return error.error_dict.items()


def _reason(field: str, error: ValidationError) -> str:
    # Django's own message quotes the id, but no error may repeat what was sent.
    if field in ("driver", "watcher") and error.code == "invalid":
        return gettext("There is no such user.")
    return error.messages[0]


def _recheck_on_commit(watcher_ids: Iterable[UserId], using: str) -> None:
    # By text: one that was assigned to a grant may be a string, if the host assigned one.
    if user_ids := sorted(set(watcher_ids), key=str):
        transaction.on_commit(partial(revocation.recheck, user_ids), using=using)


def _watchers(grant: WatchGrant) -> set[UserId]:
    return {grant.watcher_id, grant.stored_watcher_id or grant.watcher_id}


def _before_save(instance: WatchGrant, using: str, **kwargs: Any) -> None:
    # A save may change the watcher. The former one is checked, too.
    if instance.pk is not None:
        stored = WatchGrant.objects.using(using).filter(pk=instance.pk)
        instance.stored_watcher_id = stored.values_list("watcher_id", flat=True).first()


def _after_save(instance: WatchGrant, using: str, **kwargs: Any) -> None:
    _recheck_on_commit(_watchers(instance), using)


def _before_delete(instance: WatchGrant, using: str, origin: object, **kwargs: Any) -> None:
    if origin is instance:
        _before_save(instance, using)


def _after_delete(instance: WatchGrant, using: str, origin: object, **kwargs: Any) -> None:
    # Deleting a user may delete years of grants. Those that are over need no check. But an instance
    # that the host deletes itself may be older than its row, so it is always checked.
    if origin is instance:
        _recheck_on_commit(_watchers(instance), using)
    elif instance.ended_at is None and instance.ends_at > timezone.now():
        _recheck_on_commit([instance.watcher_id], using)


def connect(model: type[WatchGrant]) -> None:
    """Connect the receivers of changes through `model`: WatchGrant, or a subclass of it."""
    pre_save.connect(_before_save, sender=model)
    post_save.connect(_after_save, sender=model)
    pre_delete.connect(_before_delete, sender=model)
    post_delete.connect(_after_delete, sender=model)
