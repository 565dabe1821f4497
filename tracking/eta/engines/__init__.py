"""Routing engines: OSRM, Valhalla, and the straight line where there is none."""

from typing import Final

from django.utils.module_loading import import_string

from tracking.conf import conf
from tracking.eta.engines.base import Engine, EngineError, Leg, Place, Refused, Route

BACKENDS: Final = {
    "osrm": "tracking.eta.engines.osrm.OSRM",
    "valhalla": "tracking.eta.engines.valhalla.Valhalla",
}

__all__ = ["BACKENDS", "Engine", "EngineError", "Leg", "Place", "Refused", "Route", "from_settings"]


def from_settings() -> Engine | None:
    """Return the engine that `TRACKING["ROUTING"]` names, None without one."""
    if not conf.ROUTING:
        return None
    backend = conf.ROUTING.get("BACKEND", "osrm")
    engine: Engine = import_string(BACKENDS.get(backend, backend))(conf.ROUTING["URL"])
    return engine
