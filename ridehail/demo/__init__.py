"""The demonstration: its accounts, its processes, and what it prints. Development only."""
