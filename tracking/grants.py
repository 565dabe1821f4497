"""Watch grants: dispatch opens one when a trip is assigned, and ends it when the trip ends.

Whatever changes a grant, these functions, the admin, `grant.save()` or a deletion, the watcher's
open connections on every worker are checked again once the change is committed. Only
`QuerySet.update()` and the bulk methods, which Django tells nobody about, are noticed later.
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
from tracking.models import WatchGrant
from tracking.permissions import NO_DRIVER, is_driver


class InvalidGrant(ValueError):
    """A grant that cannot be. `reasons` holds the messages for each field that is wrong."""

    def __init__(self, reasons: dict[str, list[str]]) -> None:
        super().__init__(" ".join(f"{name}: {' '.join(why)}" for name, why in reasons.items()))
        self.reasons = reasons


def open_grant(
    *,
    driver: AbstractBaseUser | int,
    watcher: AbstractBaseUser | int,
    ends_at: datetime,
    reference: str = "",
    starts_at: datetime | None = None,
    by: AbstractBaseUser | int | None = None,
) -> WatchGrant:
    """Store and return a grant, from now on or from `starts_at`. Users are given as such or by id.

    `by` is the user who opens it, who is kept with it.

    Raise InvalidGrant, a ValueError: for a time without a time zone, an `ends_at` that is not in
    the future or not after `starts_at` or too long after it, a driver who is the watcher or may not
    publish, a user who does not exist, a reference of more than 100 characters.
    """
    grant = WatchGrant(
        driver_id=_id(driver),
        watcher_id=_id(watcher),
        starts_at=timezone.now() if starts_at is None else starts_at,
        ends_at=ends_at,
        reference=reference,
        opened_by_id=None if by is None else _id(by),
    )
    _validate(grant, driver=_driver_reasons(grant.driver_id))
    grant.save()
    return grant


def reschedule_grant(
    grant: WatchGrant, *, ends_at: datetime, by: AbstractBaseUser | int | None = None
) -> None:
    """Let `grant` end sooner or later than it said; one that has expired lives again.

    `by` is the user who does so.

    Raise InvalidGrant for a time as in `open_grant`, or when the grant was ended.
    """
    if grant.ended_at is not None:
        raise InvalidGrant({"ends_at": ["The grant was ended, which is for good: open another."]})
    before, grant.ends_at = grant.ends_at, ends_at
    try:
        _validate(grant)
    except InvalidGrant:
        grant.ends_at = before
        raise
    grant.changed_by_id = None if by is None else _id(by)
    # These fields alone, or the grant would come back if somebody ended it meanwhile.
    grant.save(update_fields=["ends_at", "changed_by"])


def end_grant(grant: WatchGrant, *, by: AbstractBaseUser | int | None = None) -> None:
    """End `grant` now, also before it starts. One that was ended or deleted stays as it is.

    `by` is the user who does so.
    """
    stored = WatchGrant.objects.using(router.db_for_write(WatchGrant)).filter(pk=grant.pk)
    end_grants(stored, by=by)
    ended = stored.values_list("ended_at", "ended_by").first()
    grant.ended_at, grant.ended_by_id = ended or (None, None)


def end_grants(grants: QuerySet[WatchGrant], *, by: AbstractBaseUser | int | None = None) -> int:
    """End those of `grants` that were not ended, now; return how many there were."""
    using = router.db_for_write(WatchGrant)
    with transaction.atomic(using=using):
        # Locked, so that of two who end a grant one is the first. Ordered, so that two who end
        # many do not wait for each other.
        open_grants = WatchGrant.objects.using(using).filter(
            pk__in=grants.using(using).values("pk"), ended_at=None
        )
        locked = open_grants.select_for_update().order_by("pk")
        watchers = dict(locked.values_list("pk", "watcher_id"))
        WatchGrant.objects.using(using).filter(pk__in=watchers).update(
            ended_at=timezone.now(), ended_by=None if by is None else _id(by)
        )
        _recheck_on_commit(watchers.values(), using)
    return len(watchers)


def _id(user: AbstractBaseUser | int) -> int:
    return user if isinstance(user, int) else user.pk


def _driver_reasons(driver_id: Any) -> list[str]:
    """Return why nobody can be granted to watch that user."""
    driver = get_user_model()._base_manager.filter(pk=driver_id).first()
    if driver is None:
        return [gettext("There is no such user.")]
    return [] if is_driver(driver) else [str(NO_DRIVER)]


def _validate(grant: WatchGrant, driver: list[str] | None = None) -> None:
    """Raise InvalidGrant if the grant cannot be.

    `driver` holds the reasons that were found for that field; None has it validated here.
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
    # Django's own reason quotes the id, and no error shows what was sent.
    if field in ("driver", "watcher") and error.code == "invalid":
        return gettext("There is no such user.")
    return error.messages[0]


def _recheck_on_commit(watcher_ids: Iterable[int], using: str) -> None:
    if user_ids := sorted(set(watcher_ids)):
        transaction.on_commit(partial(revocation.recheck, user_ids), using=using)


def _watchers(grant: WatchGrant) -> set[int]:
    return {grant.watcher_id, grant.stored_watcher_id or grant.watcher_id}


def _before_save(instance: WatchGrant, using: str, **kwargs: Any) -> None:
    # A save may hand the grant to another watcher. The one who loses it is checked, too.
    if instance.pk is not None:
        stored = WatchGrant.objects.using(using).filter(pk=instance.pk)
        instance.stored_watcher_id = stored.values_list("watcher_id", flat=True).first()


def _after_save(instance: WatchGrant, using: str, **kwargs: Any) -> None:
    _recheck_on_commit(_watchers(instance), using)


def _before_delete(instance: WatchGrant, using: str, origin: object, **kwargs: Any) -> None:
    if origin is instance:
        _before_save(instance, using)


def _after_delete(instance: WatchGrant, using: str, origin: object, **kwargs: Any) -> None:
    # A user may take years of grants along. Those that are over permitted nothing; but one that
    # the host held may look to be over, or another's, only because it is older than its row was.
    if origin is instance:
        _recheck_on_commit(_watchers(instance), using)
    elif instance.ended_at is None and instance.ends_at > timezone.now():
        _recheck_on_commit([instance.watcher_id], using)


def connect(model: type[WatchGrant]) -> None:
    """Hear of changes made through `model`: WatchGrant, or one that inherits from it."""
    pre_save.connect(_before_save, sender=model)
    post_save.connect(_after_save, sender=model)
    pre_delete.connect(_before_delete, sender=model)
    post_delete.connect(_after_delete, sender=model)
