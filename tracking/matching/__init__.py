"""Finished trips on the streets: a routing engine finds the way that their fixes followed."""

from tracking.matching.finished import match_finished

__all__ = ["match_finished"]
