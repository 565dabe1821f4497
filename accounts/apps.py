from django.apps import AppConfig
from django.core import checks
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        from accounts import idle
        from accounts.checks import check_keys, check_second_factor

        checks.register(check_keys)
        checks.register(check_second_factor, deploy=True)
        idle.connect()
