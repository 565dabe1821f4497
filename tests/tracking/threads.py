"""Calls at the same moment, each in a thread with database connections of its own."""

import threading
from concurrent.futures import ThreadPoolExecutor

from django.db import connections

from .fakes import DEADLINE


def together(alias, *calls):
    """Call all at the same moment, and return their results, or the exceptions they raised."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        try:
            # Connected before the start, so that the calls meet in the database.
            connections[alias].ensure_connection()
            barrier.wait(DEADLINE)
            return call()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        running = [pool.submit(run, call) for call in calls]
        return [each.result(DEADLINE) for each in running]
