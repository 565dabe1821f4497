from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

from accounts.api import SessionTokenView
from accounts.forms import LogInForm

app_name = "accounts"
urlpatterns = [
    path("token/", TokenObtainPairView.as_view(), name="token"),
    path("token/refresh/", TokenRefreshView.as_view(), name="token-refresh"),
    path("token/session/", SessionTokenView.as_view(), name="token-session"),
    path(
        "login/",
        LoginView.as_view(template_name="accounts/login.html", authentication_form=LogInForm),
        name="login",
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
]
