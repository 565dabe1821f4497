from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path
from rest_framework.authentication import TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.authtoken.views import obtain_auth_token
from rest_framework.decorators import api_view, authentication_classes
from rest_framework.response import Response

from tracking.web_sessions import ends_the_session_before


@api_view(["POST"])
@authentication_classes([TokenAuthentication])
def log_out(request):
    """End DRF's token, as hosts with an app do."""
    Token.objects.get(user=request.user).delete()
    return Response(status=204)


urlpatterns = [
    path("api/log-in/", obtain_auth_token),
    path("api/log-out/", log_out),
    path("log-in/", ends_the_session_before(LoginView.as_view())),
    path("log-out/", LogoutView.as_view(next_page="/log-in/")),
    path("cars/", include("tracking.urls")),
    path("rides/", include("tracking.urls.trips")),
]
