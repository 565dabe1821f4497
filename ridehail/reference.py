"""The reference of the REST API: the OpenAPI document, and a page to read it and try it out."""

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView


class SchemaView(SpectacularAPIView):
    """Return the OpenAPI document as YAML, or as JSON for clients that prefer it."""

    authentication_classes = ()
    # Building the document takes about 50 ms of a core.
    throttle_scope = "schema"


class ReferenceView(SpectacularSwaggerSplitView):
    """Show Swagger UI, from this site's static files and without inline scripts or styles."""

    authentication_classes = ()
    template_name = "ridehail/reference.html"
