"""`manage.py` of a server that soon loses its patience, for tests that see it run out.

Users are checked again twice a second, not every 30 s, and a client may leave unread for 1 s what
it was sent, not 10 s.
"""

import sys

import django
from django.core.management import execute_from_command_line

django.setup()

from tracking import session  # noqa: E402
from tracking.pipeline import outbox  # noqa: E402

session.RECHECK_INTERVAL = 0.5
outbox.STALL_TIMEOUT = 1.0

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
