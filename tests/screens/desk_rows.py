"""Rows for the dispatchers' pages: a fleet at work, its day, and the one before."""

from typing import Any, Final

# (id, name) of the drivers at work, in the order of `LIVE` and of what follows it.
FIRST: Final = 760
_PEOPLE: Final = (
    "Αλεξάνδρα Παπαδοπούλου-Κωνσταντινίδη",
    "Νίκος",
    "Ελένη Βασιλείου",
    "Γιώργος Δήμου",
    "Σοφία",
    "Κώστας Λάμπρου",
    "Δανάη",
    "Πέτρος Μάρκου",
    "Ιωάννα Ρήγα",
    "Στέλιος",
    "Άννα Φωκά",
    "Θάνος Καρρά",
)
NAMES: Final = tuple((FIRST + number, name) for number, name in enumerate(_PEOPLE))
# On a trip, and one with all that a panel can show; reserved; and free.
BUSY, RESERVED, FREE = FIRST, FIRST + 2, FIRST + 4
OFF_DUTY, UNLOCATED = FIRST + 10, FIRST + 11
# The phones that report: (id, latitude, longitude, heading, speed, battery, charging).
LIVE: Final[tuple[tuple[Any, ...], ...]] = (
    (BUSY, 51.5005, -0.101, 35, 9.4, 12, False),
    (BUSY + 1, 51.4930, -0.119, 120, 13.1, 77, False),
    (RESERVED, 51.5100, -0.128, 210, 6.2, 58, True),
    (RESERVED + 1, 51.4880, -0.090, 300, 11.0, 91, False),
    (FREE, 51.5040, -0.113, 80, 0.0, 64, False),
    (FREE + 1, 51.5075, -0.095, 270, 4.5, 33, False),
    (FREE + 2, 51.4975, -0.108, 10, 0.0, 100, True),
    (FREE + 3, 51.5150, -0.104, 190, 8.8, 9, False),
    (FREE + 4, 51.4990, -0.098, 145, 0.0, 46, False),
    (FREE + 5, 51.4945, -0.132, 60, 12.3, 71, False),
)
# Trips without a driver: their references, and the minutes for which they wait.
WAITING: Final = (("Ω-2051", 74), ("Ω-2057", 11), ("Ω-2060", 2), ("Ω-2061", 0))
# The polygon, and the trip of yesterday, by their keys.
POLYGON, REPLAYED = 901, 9_001

ROWS = f"""
from math import cos, sin
from tracking import states, trips
from tracking.models import DriverStateChange, TripAssignment, TripChange

PICKUP = {{"kind": "pickup", "lat": 51.502, "lon": -0.115, "name": "Πλατεία Ελευθερίας 4"}}
STOP = {{"kind": "stop", "lat": 51.506, "lon": -0.108, "name": "Αγορά"}}
DROPOFF = {{"kind": "dropoff", "lat": 51.511, "lon": -0.094, "name": "Λιμάνι, πύλη 3"}}
minutes = lambda count: timedelta(minutes=count)

Zone.objects.create(
    pk={POLYGON}, name="Αεροδρόμιο", kind="polygon",
    polygon=[[51.49, -0.13], [51.498, -0.135], [51.502, -0.122], [51.494, -0.116]],
)
kinds = ["Φορτηγάκι", "Σεντάν", "Ηλεκτρικό"]
for number in range({len(NAMES)}):
    pk = {FIRST} + number
    if pk != {UNLOCATED}:
        DriverLocation.objects.create(
            driver_id=pk, latitude=51.5, longitude=-0.11, recorded_at=now, received_at=now
        )
    states.set_state(pk, "available", vehicle_type=kinds[number % 3])
states.set_state({OFF_DUTY}, "non_operational")

def made(reference, age, **fields):
    trip = trips.create(
        riders=[601], reference=reference, waypoints=[PICKUP, STOP, DROPOFF], **fields
    )
    Trip.objects.filter(pk=trip.pk).update(created_at=now - age)
    return trip

for number, (reference, statuses) in enumerate([
    ("Ω-2041", ["enroute_to_pickup", "arrived_at_pickup", "enroute_to_dropoff"]),
    ("Ω-2044", ["enroute_to_pickup", "arrived_at_pickup"]),
    ("Ω-2048", ["enroute_to_pickup"]),
    ("Ω-2049", []),
]):
    trip = made(reference, minutes(40 - 7 * number), driver={BUSY} + number, vehicle="Λευκό")
    for status in statuses:
        trip = trips.set_status(trip, status)
    if number < 2:
        DriverAlert.objects.create(
            kind=["long_stop", "silent"][number], driver_id={BUSY} + number, trip=trip,
            since=now - minutes(9 + 80 * number),
        )
        DriverAlert.objects.create(
            kind="off_route", driver_id={BUSY} + number, trip=trip, since=now - minutes(25),
            acknowledged_at=now - minutes(20), acknowledged_by_id=603 if number else None,
        )
for reference, age in {WAITING!r}:
    made(reference, minutes(age))

# The day of the driver with all that a panel can show.
for number, reference in enumerate(["Ω-2011", "Ω-2023 · ένα πολύ μακρύ όνομα διαδρομής", ""]):
    at = now - minutes(240 - 60 * number)
    trip = Trip.objects.create(
        reference=reference, status=["complete", "canceled", "complete"][number], created_at=at,
        ended_at=at + minutes(24), ends_at=at + minutes(24),
    )
    part = dict(driver_id={BUSY}, trip=trip)
    TripAssignment.objects.create(**part, since=at, until=at + minutes(24))
    TripChange.objects.create(
        **part, version=1, changed_at=at + minutes(24), status=trip.status, reason=""
    )
for number, (previous, state) in enumerate([
    ("", "available"), ("available", "reserved"), ("reserved", "on_trip"),
]):
    DriverStateChange.objects.create(
        driver_id={BUSY}, previous=previous, state=state, changed_at=now - minutes(300 - number),
    )
DriverState.objects.filter(driver__gte={FREE}, driver__lt={OFF_DUTY}).update(
    since=now - minutes(94)
)
DriverState.objects.filter(driver={FREE} + 1).update(since=now - minutes(6))

def fix(pk, at, latitude, longitude, **more):
    values = dict(speed=9.0, heading=0.0, accuracy=6.0, battery=80, charging=False, mock=False)
    return HistoryFix(
        driver_id=pk, recorded_at=at, received_at=at, latitude_e7=round(latitude * 1e7),
        longitude_e7=round(longitude * 1e7), **values | more,
    )

fixes = [
    fix(
        {BUSY}, now - timedelta(seconds=20 * n + 20), 51.5 - n / 9000, -0.101,
        speed=None if n == 3 else 2.1 * n, accuracy=None if n == 5 else 4.0 + 3 * n,
    )
    for n in range(12)
]
# Yesterday: rounds through the town, at all speeds, with a stop, a gap and a fix far away.
begin = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1) + minutes(500)
for number in range(9):
    way, pk = 0.0, {BUSY} + number
    for second in range(0, 9000, 10 if number == 0 else 60):
        if 1800 <= second < 2400 or 4200 <= second < 6000:
            speed = 0.0
        else:
            speed = 12.0 + 11.0 * sin(second / 400 + number)
            way += speed * (10 if number == 0 else 60)
        if 4200 <= second < 6000:
            continue  # no fixes
        turn = way / 1400 + number
        fixes.append(fix(
            pk, begin + timedelta(seconds=second), 51.502 + 0.012 * sin(turn) + number / 900,
            -0.11 + 0.025 * cos(turn * 0.6) + number / 700, speed=speed,
            heading=(turn * 57) % 360 if speed else None, charging=second > 6000,
            battery=max(5, 90 - second // 150),
        ))
fixes.append(fix({BUSY}, begin + minutes(40) + timedelta(seconds=5), 52.3, 0.4))
HistoryFix.objects.bulk_create(fixes)
trip = Trip.objects.create(
    pk={REPLAYED}, reference="Ω-1999", status="complete", created_at=begin + minutes(1),
    ended_at=begin + minutes(58), ends_at=begin + minutes(58),
    waypoints=[PICKUP, STOP, DROPOFF],
)
trip.riders.add(601)
part = dict(driver_id={BUSY}, trip=trip)
TripAssignment.objects.create(**part, since=begin + minutes(3), until=begin + minutes(58))
"""
