from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.urls import path
from django.views.generic import TemplateView

from ridehail.urls import urlpatterns as project

# As docs/frontend.md has it.
STYLE = """.tracking-widget {
  --tracking-height: 480px;
  --tracking-radius: 0;
  --tracking-accent: #b3005e;
}"""

urlpatterns = [
    *project,
    path("foreign/", login_required(TemplateView.as_view(template_name="foreign.html"))),
    path("order.css", lambda request: HttpResponse(STYLE, content_type="text/css")),
    path("ride/<int:trip_id>/", login_required(TemplateView.as_view(template_name="ride.html"))),
    path("depot/", login_required(TemplateView.as_view(template_name="foreign_fleet.html"))),
    path("wall/", login_required(TemplateView.as_view(template_name="wall.html"))),
]
