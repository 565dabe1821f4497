"""A host project: ours, with a page of its own that has our maps."""
