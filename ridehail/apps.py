from django.apps import AppConfig
from django.core import checks


class RidehailConfig(AppConfig):
    name = "ridehail"

    def ready(self) -> None:
        from ridehail import cookies, parameters
        from ridehail.checks import check_redis

        checks.register(check_redis, deploy=True)
        cookies.install()
        parameters.install()
