from django.contrib import admin
from django.urls import include, path

from ridehail import views

urlpatterns = [
    path("", views.home, name="home"),
    path("log-in-as/<str:role>/", views.log_in_as, name="log-in-as"),
    path("admin/", admin.site.urls),
    path("accounts/", include("accounts.urls")),
    path("driver/", include("tracking.urls")),
]
