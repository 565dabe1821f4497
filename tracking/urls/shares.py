"""The page of a share link, for the host project.

`path("t/", include("tracking.urls.shares"))`: short, as people send it.
"""

from tracking.pages.shared_trip import shared_trip
from tracking.rest.share_token import ShareTokenView
from tracking.slashes import path

app_name = "tracking_shares"
urlpatterns = [
    path("<str:secret>", shared_trip, name="page"),
    path("<str:secret>/token/", ShareTokenView.as_view(), name="token"),
]
