"""`manage.py` of a server that compares heartbeats ten times a second instead of every 5 s, and
drops workers that have stopped after 2 s.
"""

import sys
from datetime import timedelta

import django
from django.core.management import execute_from_command_line

django.setup()

from tracking.runtime import heartbeat  # noqa: E402

heartbeat.INTERVAL = heartbeat.RESULT_LIFETIME = 0.1
heartbeat.ROW_LIFETIME = timedelta(seconds=2)

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
