"""A host project: this one, with an app that reports received signals to a test."""
