"""A host project with an app of its own for its users, whose primary key is a UUID."""
