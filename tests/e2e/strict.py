"""`manage.py` of a server that checks users again twice a second instead of every 30 s, so that
tests need not wait.
"""

import sys

import django
from django.core.management import execute_from_command_line

django.setup()

from tracking.access import session  # noqa: E402

session.RECHECK_INTERVAL = 0.5

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
