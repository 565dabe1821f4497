from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from accounts.api import LogOutView, SessionTokenView, TokenObtainView, TokenRefreshView
from accounts.forms import LogInForm
from accounts.middleware import without_second_factor
from accounts.second_factor_views import CodeView, SettingsView, SetUpView
from accounts.throttling import log_in_view, throttled

app_name = "accounts"
urlpatterns = [
    path("token/", without_second_factor(TokenObtainView.as_view()), name="token"),
    path("token/refresh/", without_second_factor(TokenRefreshView.as_view()), name="token-refresh"),
    path("token/logout/", without_second_factor(LogOutView.as_view()), name="token-logout"),
    path("token/session/", SessionTokenView.as_view(), name="token-session"),
    path(
        "login/",
        log_in_view(
            LoginView.as_view(template_name="accounts/login.html", authentication_form=LogInForm)
        ),
        name="login",
    ),
    path("logout/", without_second_factor(LogoutView.as_view()), name="logout"),
    path(
        "second-factor/",
        without_second_factor(throttled(CodeView.as_view())),
        name="second-factor",
    ),
    path(
        "second-factor/set-up/",
        without_second_factor(throttled(SetUpView.as_view())),
        name="second-factor-set-up",
    ),
    path(
        "second-factor/settings/",
        throttled(SettingsView.as_view()),
        name="second-factor-settings",
    ),
]
