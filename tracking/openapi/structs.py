"""OpenAPI components for msgspec types, which drf-spectacular supports only for serializers."""

from typing import Any, Final

import msgspec
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentIdentity, ResolvedComponent

_TEMPLATE: Final = "#/components/schemas/{name}"


class StructExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Describes the msgspec types that views return."""

    target_class = msgspec.Struct
    match_subclasses = True
    # A host's own extension for its types comes first.
    priority = -1

    def get_name(self, auto_schema: AutoSchema, direction: str) -> str:
        return str(self.target.__name__)

    def get_identity(self, auto_schema: AutoSchema, direction: str) -> ComponentIdentity:
        return _identity(self.target.__name__)

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        _, found = msgspec.json.schema_components((self.target,), ref_template=_TEMPLATE)
        for schema in found.values():
            schema["description"] = " ".join(schema["description"].split())
            # Later versions of the server may add keys, and clients ignore unknown ones.
            schema.pop("additionalProperties", None)
            for content in schema.get("properties", {}).values():
                if "enum" in content:  # of texts; drf-spectacular requires the type
                    content.setdefault("type", "string")
        own: dict[str, Any] = found.pop(self.target.__name__)
        for name, schema in found.items():
            component = ResolvedComponent(  # type: ignore[no-untyped-call]
                name, ResolvedComponent.SCHEMA, schema, _identity(name)
            )
            auto_schema.registry.register_on_missing(component)
        return own


def _identity(name: str) -> ComponentIdentity:
    return ComponentIdentity(name)  # type: ignore[no-untyped-call]
