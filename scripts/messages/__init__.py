"""The catalogues of translations. `python -m scripts.messages --help` lists the commands.

Django's `makemessages` needs the programs of GNU gettext, which not every machine has. This uses
Babel and Django's own parser of templates, and writes files that only change when texts do.
"""
