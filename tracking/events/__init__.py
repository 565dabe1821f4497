"""Events: written in the transaction that causes them, and sent from their rows afterwards.

The process that causes an event writes one row. `tracking.events.dispatch` sends the host's signal
from the row, and makes the deliveries to webhooks. So nothing is lost if the process is killed
after the commit, and nothing is sent that was rolled back.
"""

from tracking.events.rows import of_driver, of_trip, store

__all__ = ["of_driver", "of_trip", "store"]
