from django.contrib.auth.decorators import login_required
from django.urls import path
from django.views.generic import TemplateView

from ridehail.urls import urlpatterns as project

urlpatterns = [
    *project,
    path("foreign/", login_required(TemplateView.as_view(template_name="foreign.html"))),
    path("depot/", login_required(TemplateView.as_view(template_name="foreign_fleet.html"))),
]
