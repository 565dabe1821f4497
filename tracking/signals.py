"""What a host project can listen to: signals, sent once for all workers.

Both are sent after the commit, with `DriverLocation` as the sender, in a thread that neither
connections nor the database wait for. To receivers that are slow they tell the newest of each
driver. What a receiver raises is logged, and keeps nobody else from being told.
"""

from django.dispatch import Signal

# `fixes`: a list of `tracking.fix.Fix`, one per driver, that have become their drivers' newest.
location_updated = Signal()

# `driver_id`; `status`, a `tracking.status.Status`; `previous`, the one before, or None with a
# driver's first location.
driver_status_changed = Signal()
