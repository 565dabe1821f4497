"""The REST API's reference: the OpenAPI document, and a page to read it and to try it out."""

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView


class SchemaView(SpectacularAPIView):
    """The OpenAPI document, as YAML, or as JSON where the client prefers that."""

    authentication_classes = ()
    # It takes some 50 ms of a core.
    throttle_scope = "schema"


class ReferenceView(SpectacularSwaggerSplitView):
    """Swagger UI, from our own static files and without inline scripts or styles."""

    authentication_classes = ()
    template_name = "ridehail/reference.html"
