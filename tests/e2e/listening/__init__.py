"""A host project: ours, with an app that tells a test which signals it hears."""
