"""The state that the connections of one process share."""

from tracking.runtime.runtime import Runtime, get_runtime

__all__ = ["Runtime", "get_runtime"]
