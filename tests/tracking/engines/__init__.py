"""Database engines that hosts have."""
