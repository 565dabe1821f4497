from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks
from django.db.models.signals import post_delete, post_save
from django.utils.translation import gettext_lazy as _


class TrackingConfig(AppConfig):
    name = "tracking"
    verbose_name = _("Live tracking")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tracking import grants  # noqa: F401 - connects its receivers
        from tracking.checks import check_deployment, check_settings
        from tracking.user_changes import user_changed

        if apps.is_installed("drf_spectacular"):
            from tracking.rest import schema  # noqa: F401 - describes the REST API

        checks.register(check_settings)
        checks.register(check_deployment, deploy=True)
        post_save.connect(user_changed, sender=settings.AUTH_USER_MODEL)
        post_delete.connect(user_changed, sender=settings.AUTH_USER_MODEL)
