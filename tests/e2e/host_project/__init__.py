"""A host project: this one, with a page of its own that contains the package's maps."""
