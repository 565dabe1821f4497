from math import ceil
from typing import Any, cast

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import AuthenticationForm, UsernameField
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts import second_factor
from accounts.models import User


class LogInForm(AuthenticationForm):
    """Log in with an e-mail address and a password."""

    username = UsernameField(widget=forms.EmailInput(attrs={"autofocus": True}))

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": _("Wrong e-mail address or password."),
    }

    def get_invalid_login_error(self) -> ValidationError:
        # Either field may be wrong, so both refer assistive technology to the message.
        for field in self.fields.values():
            field.widget.attrs |= {"aria-invalid": "true", "aria-describedby": "login-error"}
        return super().get_invalid_login_error()


class CodeForm(forms.Form):
    """Check a code from the app, or a recovery code, of the session's user.

    Once the form is valid, `user.otp_device` is the device that accepted the code.
    """

    code = forms.CharField(
        label=_("Code"),
        max_length=second_factor.MAX_CODE_LENGTH,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "one-time-code",
                "autofocus": True,
                "inputmode": "numeric",
                "spellcheck": "false",
            }
        ),
    )

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        self.user = cast("User", request.user)

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        if (until := second_factor.blocked_until(self.user, code)) is not None:
            seconds = ceil((until - timezone.now()).total_seconds())
            raise ValidationError(_too_many(max(seconds, 1)))
        email = self.user.email
        if not authenticate(self.request, username=email, user=self.user, otp_token=code):
            raise ValidationError(second_factor.WRONG_CODE)
        return code


class SetUpForm(CodeForm):
    """Store an authenticator app once its first code shows that it has the secret `key`.

    With `replace`, the app replaces the one that the user has.
    """

    def __init__(self, *args: Any, key: str, replace: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # With autofocus, a phone's keypad would hide the QR code.
        self.fields["code"].widget.attrs.pop("autofocus")
        self.key = key
        self.replace = replace

    def clean_code(self) -> str:
        # No throttling: anyone who sees the page has the secret, so there is nothing to guess.
        code: str = self.cleaned_data["code"]
        device = second_factor.set_up(self.user, self.key, code, replace=self.replace)
        if device is None:
            raise ValidationError(
                _("This code does not match. Check your phone's clock, then try the next code.")
            )
        self.user.otp_device = device  # type: ignore[attr-defined]
        return code


def _too_many(seconds: int) -> str:
    if seconds <= 90:
        text = ngettext(
            "Too many wrong codes. Try again in %(count)d second.",
            "Too many wrong codes. Try again in %(count)d seconds.",
            seconds,
        )
        return text % {"count": seconds}
    minutes = ceil(seconds / 60)
    text = ngettext(
        "Too many wrong codes. Try again in %(count)d minute.",
        "Too many wrong codes. Try again in %(count)d minutes.",
        minutes,
    )
    return text % {"count": minutes}
