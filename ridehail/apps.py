from django.apps import AppConfig


class RidehailConfig(AppConfig):
    name = "ridehail"

    def ready(self) -> None:
        from ridehail import cookies, parameters

        cookies.install()
        parameters.install()
