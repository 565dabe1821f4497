"""The pages of the second factor: enter a code, set up an app, change either."""

import time
from typing import Any, Final

import segno
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, login
from django.contrib.auth.views import RedirectURLMixin, redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.generic import FormView

from accounts import second_factor
from accounts.forms import CodeForm, SetUpForm
from accounts.models import User

# Session key of the secret that the set-up page shows. Each session has its own: otherwise an
# attacker who has only the password could see the secret that the account's owner stores later.
KEY: Final = "_second_factor_key"
# Session key of the time, in seconds since the epoch, until which it may replace the user's device.
REPLACE_UNTIL: Final = "_second_factor_replace_until"
REPLACE_SECONDS: Final = 600

_decorators = [
    never_cache,
    csrf_protect,
    sensitive_post_parameters("code"),
    sensitive_variables(),
]


@method_decorator(_decorators, name="dispatch")
class SecondFactorView(RedirectURLMixin, FormView):  # type: ignore[type-arg]  # generic in the stubs only
    """The base of the pages for accounts that have a second factor, or may have one."""

    next_page = settings.LOGIN_REDIRECT_URL
    form_class = CodeForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(self.get_success_url(), settings.LOGIN_URL)
        self.user = request.user
        self.has_device = second_factor.has_device(self.user)
        self.is_verified = getattr(self.user, "otp_device", None) is not None
        return self.elsewhere() or super().dispatch(request, *args, **kwargs)

    def elsewhere(self) -> HttpResponse | None:
        """Return a redirect for users who have nothing to do on this page, or None."""
        raise NotImplementedError

    def go_on(self, name: str) -> HttpResponse:
        """Redirect to another of these pages, which then leads to the page the user asked for."""
        return redirect_to_login(self.get_success_url(), f"accounts:{name}")

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        return {
            **context,
            "next": self.get_redirect_url(),
            "next_page": self.get_success_url(),
            "site": settings.OTP_TOTP_ISSUER,
        }

    def verified(self, user: User) -> None:
        """Log the user in again, with the device that accepted the code."""
        login(self.request, user, backend=self.request.session[BACKEND_SESSION_KEY])
        # The session gains rights, so it gets a new key: the old one may be known to others.
        self.request.session.cycle_key()


class CodeView(SecondFactorView):
    """Ask for a code after the password."""

    template_name = "accounts/second_factor.html"

    def elsewhere(self) -> HttpResponse | None:
        if self.is_verified or not second_factor.is_demanded(self.user):
            return redirect(self.get_success_url())
        return None if self.has_device else self.go_on("second-factor-set-up")

    def form_valid(self, form: CodeForm) -> HttpResponse:
        self.verified(form.user)
        return redirect(self.get_success_url())


class SetUpView(SecondFactorView):
    """Show a secret, and check the first code of the app that was given it."""

    template_name = "accounts/second_factor_set_up.html"
    form_class = SetUpForm

    def elsewhere(self) -> HttpResponse | None:
        self.may_replace = self.is_verified and self._replace_until() > time.time()
        if self.has_device and not self.is_verified:
            return self.go_on("second-factor")
        if self.has_device and not self.may_replace:
            return redirect("accounts:second-factor-settings")
        if not second_factor.is_staff_account(self.user):
            return redirect(self.get_success_url())
        return None

    def get_form_kwargs(self) -> dict[str, Any]:
        own = {"key": self._key(), "replace": self.may_replace}
        return {**super().get_form_kwargs(), **own}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        url = second_factor.key_url(self.user, self._key())
        return {
            **super().get_context_data(**kwargs),
            "qr_code": segno.make(url, error="m").svg_data_uri(scale=4, border=4, light="#fff"),
            "key_url": url,
            "key": second_factor.key_text(self._key()),
        }

    def form_valid(self, form: CodeForm) -> HttpResponse:
        self.verified(form.user)
        for name in (KEY, REPLACE_UNTIL):
            self.request.session.pop(name, None)
        return show_recovery_codes(self, form.user)

    def _key(self) -> str:
        key: str = self.request.session.setdefault(KEY, second_factor.new_key())
        return key

    def _replace_until(self) -> float:
        until: float = self.request.session.get(REPLACE_UNTIL, 0)
        return until


class SettingsView(SecondFactorView):
    """Show what the user has set up. With a code: replace the app or the codes, or remove both."""

    template_name = "accounts/second_factor_settings.html"

    def elsewhere(self) -> HttpResponse | None:
        # The middleware has already refused sessions whose code is due.
        return None if self.has_device else self.go_on("second-factor-set-up")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {
            **super().get_context_data(**kwargs),
            "set_up_at": second_factor.set_up_at(self.user),
            "codes_left": second_factor.recovery_codes_left(self.user),
            "may_remove": not settings.REQUIRE_SECOND_FACTOR,
        }

    def form_valid(self, form: CodeForm) -> HttpResponse:
        action = self.request.POST.get("action")
        if action == "codes":
            return show_recovery_codes(self, form.user)
        if action == "replace":
            self.request.session[REPLACE_UNTIL] = time.time() + REPLACE_SECONDS
            return self.go_on("second-factor-set-up")
        if action == "remove" and not settings.REQUIRE_SECOND_FACTOR:
            second_factor.reset(form.user)
            return redirect(self.get_success_url())
        return redirect("accounts:second-factor-settings")


def show_recovery_codes(view: SecondFactorView, user: User) -> HttpResponse:
    """Create new recovery codes and show them, once only."""
    context = {
        "codes": second_factor.new_recovery_codes(user),
        "next_page": view.get_success_url(),
    }
    return render(view.request, "accounts/recovery_codes.html", context)
