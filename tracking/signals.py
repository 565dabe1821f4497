"""Signals for the host project, sent once for each event, not once for each worker.

Both are sent after the commit, with `DriverLocation` as the sender, in a thread that neither
connections nor the database wait for. Slow receivers get only the newest state of each driver. An
exception in a receiver is logged, and the other receivers are still called.
"""

from django.dispatch import Signal

# `fixes`: a list of `tracking.fix.Fix`, one per driver, each now its driver's newest.
location_updated = Signal()

# `driver_id`; `status`, a `tracking.status.Status`; `previous`, the status before, or None for the
# driver's first location.
driver_status_changed = Signal()
