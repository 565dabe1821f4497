from django.apps import AppConfig
from django.core import checks
from django.utils.translation import gettext_lazy as _


class TrackingConfig(AppConfig):
    name = "tracking"
    verbose_name = _("Live tracking")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tracking.checks import check_settings

        checks.register(check_settings)
