"""Every page of the project, in every state: `make screens` takes pictures of them.

To add a page, write a function in `states.py`.
"""
