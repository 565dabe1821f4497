from django.contrib import admin
from django.urls import include, path
from django.views.i18n import set_language

from accounts.middleware import without_second_factor
from accounts.throttling import log_in_view
from ridehail import views
from ridehail.reference import ReferenceView, SchemaView

handler400 = "ridehail.errors.bad_request"
handler403 = "ridehail.errors.permission_denied"
handler404 = "ridehail.errors.page_not_found"
handler500 = "ridehail.errors.server_error"

urlpatterns = [
    path("", views.home, name="home"),
    path("favicon.ico", views.favicon, name="favicon"),
    path("log-in-as/<str:role>/", views.log_in_as, name="log-in-as"),
    # The path of django.conf.urls.i18n. The page that asks for a code has the menu, too.
    path("i18n/setlang/", without_second_factor(set_language), name="set_language"),
    # Before the admin's own route with this path.
    path("admin/login/", log_in_view(admin.site.login)),
    path("admin/", admin.site.urls),
    path("accounts/", include("accounts.urls")),
    path("driver/", include("tracking.urls")),
    path("fleet/", include("tracking.urls.fleet")),
    path("trips/", include("tracking.urls.trips")),
    path("t/", include("tracking.urls.shares")),
    path("webhooks/", include("tracking.urls.webhooks")),
    path("api/", ReferenceView.as_view(url_name="schema"), name="reference"),
    path("api/schema/", SchemaView.as_view(), name="schema"),
]
