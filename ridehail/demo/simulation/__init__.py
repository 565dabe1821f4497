"""A made-up city, the vehicles that drive in it, and the phones that report where they are."""
