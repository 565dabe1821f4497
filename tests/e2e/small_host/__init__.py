"""A host project with nothing but Django, its own user model, and tracking."""
