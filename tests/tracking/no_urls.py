"""URLs of a project that does not include tracking's; tests put others into the list."""

urlpatterns = []
