"""The demonstration: its accounts, processes, printed text, simulated vehicles and made-up town.

Development only.
"""
