"""Database engines as hosts configure them."""
