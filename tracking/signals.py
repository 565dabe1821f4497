"""Signals for the host project, sent once for each event, not once for each worker.

The first two are sent after the commit, with `DriverLocation` as the sender, in a thread that
neither connections nor the database wait for. Slow receivers get only the newest state of each
driver. An exception in a receiver is logged, and the other receivers are still called.

The others are sent after the commit by the process that made the change, in its thread. An
exception in a receiver does not reach the caller.
"""

from django.dispatch import Signal

# `fixes`: a list of `tracking.fix.Fix`, one per driver, each now its driver's newest.
location_updated = Signal()

# `driver_id`; `status`, a `tracking.status.Status`; `previous`, the status before, or None for the
# driver's first location.
driver_status_changed = Signal()

# Sender `DriverState`. `driver_id`; `state`, a `tracking.models.State`; `previous`, the state
# before, or None for the driver's first; `trip_id`, the trip of the new state, or None.
driver_state_changed = Signal()

# Sender `Trip`, for each change of a trip's status or driver. `trip_id`; `status`, a
# `tracking.models.TripStatus`; `previous`, the status before, or None for a new trip; `driver_id`,
# the driver from now on, or None; `previous_driver_id`.
trip_changed = Signal()
