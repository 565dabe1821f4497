"""The URLs of a project without ours; tests put others into the list."""

urlpatterns = []
