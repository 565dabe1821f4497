from collections.abc import Iterable

from django.apps import AppConfig, apps
from django.core import checks
from django.db.models import Model
from django.utils.translation import gettext_lazy as _


class TrackingConfig(AppConfig):
    name = "tracking"
    verbose_name = _("Live tracking")
    default_auto_field = "django.db.models.BigAutoField"

    def import_models(self) -> None:
        from tracking.project_checks import require_apps

        require_apps()
        super().import_models()

    def ready(self) -> None:
        from tracking import web_sessions
        from tracking.access import drf_tokens, permission_changes
        from tracking.checks import check_channel_layer, check_deployment, check_settings

        if apps.is_installed("drf_spectacular"):
            from tracking import openapi  # noqa: F401 - describes the REST API

        if apps.is_installed("rest_framework.authtoken"):
            drf_tokens.connect()

        checks.register(check_settings)
        checks.register(check_deployment, deploy=True)
        checks.register(check_channel_layer, deploy=True)
        connect_receivers(apps.get_models())
        permission_changes.connect()
        web_sessions.connect()


def connect_receivers(models: Iterable[type[Model]]) -> None:
    """Connect the signal receivers for users and grants to each of `models` that is one of them.

    The history of a deleted user is erased, and so are its events, the waypoints of its own trips,
    and the ways on streets of trips that it drove. A trip that it drives waits for another driver.

    For a change that is made through a proxy model, Django sends signals with the proxy as the only
    sender, so that proxies need receivers too.
    """
    from django.contrib.auth import get_user_model
    from django.db.models.signals import post_delete, pre_delete

    from tracking import grants
    from tracking.access import user_changes
    from tracking.events.rows import delete_of_deleted_user
    from tracking.history.erasure import erase_deleted_user
    from tracking.history.matches import delete_matches_of_driver
    from tracking.history.places import clear_deleted_rider
    from tracking.models import WatchGrant
    from tracking.trips.life import release_deleted_driver

    for model in models:
        if issubclass(model, get_user_model()):
            user_changes.connect(model)
            pre_delete.connect(clear_deleted_rider, sender=model)
            pre_delete.connect(delete_matches_of_driver, sender=model)
            pre_delete.connect(release_deleted_driver, sender=model)
            post_delete.connect(erase_deleted_user, sender=model)
            post_delete.connect(delete_of_deleted_user, sender=model)
        elif issubclass(model, WatchGrant):
            grants.connect(model)
