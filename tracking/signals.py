"""Signals for the host project, sent once for each event, not once for each worker.

The first two are sent after the commit, with `DriverLocation` as the sender, in a thread that
neither connections nor the database wait for. Slow receivers get only the newest state of each
driver. An exception in a receiver is logged, and the other receivers are still called.

`event_occurred` is sent from the row of an event, by the process that runs `tracking_deliver`,
which `manage.py runserver` starts by itself.
"""

from django.dispatch import Signal

# `fixes`: a list of `tracking.fix.Fix`, one per driver, each now its driver's newest.
location_updated = Signal()

# `driver_id`; `status`, a `tracking.status.Status`; `previous`, the status before, or None for the
# driver's first location.
driver_status_changed = Signal()

# Sender `Event`. `event`, the row: a `tracking.models.Event` with `type`, `occurred_at`,
# `driver_id`, `trip_id`, `sequence` and `data`. Receivers run in the transaction that marks the row
# as sent: what they write to the same database is written exactly once. An exception in a receiver
# is logged.
event_occurred = Signal()
