from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from accounts.api import LogOutView, SessionTokenView, TokenObtainView, TokenRefreshView
from accounts.forms import LogInForm
from accounts.throttling import log_in_view

app_name = "accounts"
urlpatterns = [
    path("token/", TokenObtainView.as_view(), name="token"),
    path("token/refresh/", TokenRefreshView.as_view(), name="token-refresh"),
    path("token/logout/", LogOutView.as_view(), name="token-logout"),
    path("token/session/", SessionTokenView.as_view(), name="token-session"),
    path(
        "login/",
        log_in_view(
            LoginView.as_view(template_name="accounts/login.html", authentication_form=LogInForm)
        ),
        name="login",
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
]
