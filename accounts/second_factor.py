"""A second factor for staff: a code from an authenticator app, or a recovery code.

django-otp stores the devices, checks the codes, and doubles the wait after each wrong one. A
session that gave a code is verified (`request.user.is_verified()`).
"""

import re
import secrets
import time
from base64 import b32encode
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_otp import user_has_device
from django_otp.models import Device
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import User

RECOVERY_CODES: Final = 10
# Digits only, as phones show a keypad for the field. Guessing one of ten codes takes 10^9 attempts.
RECOVERY_CODE_DIGITS: Final = 10
# Longer than any code with its spaces.
MAX_CODE_LENGTH: Final = 32

WRONG_CODE: Final = _(
    "This code is wrong or was used already. Wait for the next one and try again."
)


def is_staff_account(user: User | AnonymousUser) -> bool:
    """Return True if an account is active and has more rights than a driver or a rider."""
    return user.is_active and (user.is_staff or user.is_superuser)


def with_devices(users: QuerySet[User]) -> QuerySet[User]:
    """Annotate users with whether they have a second factor, to save `has_device` a query."""
    devices = [
        Exists(model.objects.filter(user=OuterRef("pk"), confirmed=True))
        for model in (TOTPDevice, StaticDevice)
    ]
    found: QuerySet[User] = users.annotate(loaded_has_device=devices[0] | devices[1])
    return found


def has_device(user: User) -> bool:
    """Return True if the user has a second factor, or had one when loaded `with_devices`."""
    known: bool | None = getattr(user, "loaded_has_device", None)
    return bool(user_has_device(user)) if known is None else known


def is_demanded(user: User) -> bool:
    """Return True if the user needs a second factor to log in."""
    return (settings.REQUIRE_SECOND_FACTOR and is_staff_account(user)) or has_device(user)


def is_due(user: User) -> bool:
    """Return True if the user of a session, or of a log-in, still has to give a code."""
    return getattr(user, "otp_device", None) is None and is_demanded(user)


def verify(user: User, code: str) -> Any:
    """Return the device that accepts the code, or None. Each code is accepted only once."""
    # Lock the devices, or two requests could use the same code.
    with transaction.atomic():
        for device in _devices(user, code).select_for_update():
            if device.verify_token(_normal(code)):
                return device
    return None


def blocked_until(user: User, code: str) -> datetime | None:
    """Return until when codes of this kind are refused after wrong ones; None if they are not."""
    found = [device.verify_is_allowed() for device in _devices(user, code)]
    times = [data["locked_until"] for allowed, data in found if not allowed]
    return max(times, default=None)


def is_device_of(user: User, persistent_id: object) -> bool:
    """Return True if the user has the device with django-otp's `persistent_id`, confirmed."""
    if not isinstance(persistent_id, str):
        return False
    device = Device.from_persistent_id(persistent_id)
    return device is not None and device.user_id == user.pk and device.confirmed


def new_key() -> str:
    """Return a random secret for an authenticator app: 20 bytes, as RFC 4226 asks, in hex."""
    return secrets.token_hex(20)


def key_text(key: str) -> str:
    """Return the secret as it is typed into apps: base 32, in groups of four."""
    text = b32encode(bytes.fromhex(key)).decode()
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def key_url(user: User, key: str) -> str:
    """Return the `otpauth:` URL of the secret, which apps read from a QR code."""
    url: str = TOTPDevice(user=user, key=key).config_url
    return url


def set_up(user: User, key: str, code: str, *, replace: bool = False) -> Any:
    """Store an app's secret if `code` shows that the app has it, and return the device.

    Return None if the code is wrong, or if the user has a device that is not to be replaced.
    """
    code = _normal(code)
    totp = TOTP(bytes.fromhex(key))
    totp.time = time.time()
    if not _is_app_code(code) or not totp.verify(int(code), tolerance=1):
        return None
    with transaction.atomic():
        # Two sessions that set up a device at the same time must not both succeed.
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if not replace and user_has_device(user):
            return None
        reset(user)
        return TOTPDevice.objects.create(
            # `last_t` makes this code, and any before it, invalid from now on.
            user=user,
            name="app",
            key=key,
            last_t=totp.t(),
            drift=totp.drift,
        )


def new_recovery_codes(user: User) -> list[str]:
    """Store and return new recovery codes, and delete the old ones."""
    numbers = (secrets.randbelow(10**RECOVERY_CODE_DIGITS) for _ in range(RECOVERY_CODES))
    codes = [f"{number:0{RECOVERY_CODE_DIGITS}}" for number in numbers]
    with transaction.atomic():
        # Keep the device: sessions that were verified with one of its codes refer to it.
        device, _created = StaticDevice.objects.get_or_create(user=user, name="recovery codes")
        StaticToken.objects.filter(device__user=user).delete()
        StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
    half = RECOVERY_CODE_DIGITS // 2
    return [f"{code[:half]} {code[half:]}" for code in codes]


def recovery_codes_left(user: User) -> int:
    return int(StaticToken.objects.filter(device__user=user).count())


def set_up_at(user: User) -> datetime | None:
    """Return when the user's authenticator app was set up; None without one."""
    device = TOTPDevice.objects.filter(user=user, confirmed=True).first()
    return device and (device.created_at or timezone.now())


def reset(user: User) -> None:
    """Remove the user's app and recovery codes.

    Sessions that were verified with them no longer are, and their refresh tokens become invalid.
    """
    for model in (TOTPDevice, StaticDevice):
        model.objects.filter(user=user).delete()


def _devices(user: User, code: str) -> Any:
    """Return the user's devices of the code's kind, so that a wrong one counts against no other."""
    model = TOTPDevice if _is_app_code(_normal(code)) else StaticDevice
    return model.objects.devices_for_user(user, confirmed=True)


def _normal(code: str) -> str:
    """Return the code without spaces and hyphens, cut to MAX_CODE_LENGTH before."""
    return re.sub(r"[\s-]", "", code[:MAX_CODE_LENGTH])


def _is_app_code(code: str) -> bool:
    return re.fullmatch(r"[0-9]{6}", code) is not None
