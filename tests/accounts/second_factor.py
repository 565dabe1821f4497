"""Authenticator apps of users."""

import time
from base64 import b32decode

from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import second_factor


def app_code(key):
    """Return the current code for a secret in base 32, with or without spaces."""
    return f"{totp(b32decode(key.replace(' ', ''))):06}"


def give_app(user):
    """Set up an app for the user, and return its device."""
    key = second_factor.new_key()
    code = f"{totp(bytes.fromhex(key)):06}"
    device = second_factor.set_up(user, key, code)
    assert device is not None
    return device


def next_code(user):
    """Return a code of the user's app that was not used yet, as if 30 s had passed."""
    device = TOTPDevice.objects.get(user=user)
    TOTPDevice.objects.filter(pk=device.pk).update(last_t=int(time.time()) // 30 - 2, drift=0)
    return f"{totp(device.bin_key):06}"


def wrong_code(user):
    """Return six digits that the app shows neither now nor soon."""
    device = TOTPDevice.objects.get(user=user)
    near = {totp(device.bin_key, drift=step) for step in range(-3, 4)}
    return next(f"{number:06}" for number in range(100_000, 100_010) if number not in near)
