"""The rows of `DriverLocation`: written in batches, newest fix per driver, and read back."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import msgspec
from django.db import DataError, IntegrityError, connections, router, transaction
from django.db.models import F, QuerySet

from tracking.engine.database import any_of, is_locked, is_unavailable, sqlstate, supported
from tracking.engine.times import time_of
from tracking.fix import HISTORY_ONLY, Fix
from tracking.ids import DriverId
from tracking.models import DriverLocation, DriverState, HistoryErasure
from tracking.people import USER_IDS
from tracking.states import on_duty
from tracking.throttled_log import Throttle

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Once this many fixes of a batch have failed one by one, no more are tried singly: the cause then
# concerns most of the batch, and each costs a statement.
MAX_SINGLED_OUT: Final = 16

# The fields of a fix that are columns of `DriverLocation`.
COLUMNS: Final = tuple(name for name in Fix.__struct_fields__ if name not in HISTORY_ONLY)
# The same for `values_list`, whose rows are the arguments of `Fix`.
VALUES: Final = tuple(time_of(name) if name.endswith("_at") else F(name) for name in COLUMNS)

# Fixes as a relation of the fields of `Fix`. They are sent as one JSON parameter. Measured on
# PostgreSQL 15 with 500 rows, client + server microseconds per row: this 1.4 + 7, unnest of eight
# arrays 12 + 8, VALUES 29 + 19.
_FIXES: Final = {
    "postgresql": (
        "SELECT * FROM json_to_recordset(%s) AS fix ("
        "driver_id {id_type}, latitude float8, longitude float8, recorded_at timestamptz,"
        " received_at timestamptz, accuracy float8, heading float8, speed float8,"
        " disconnected_at timestamptz, heard_at timestamptz, clock_offset float8,"
        " battery smallint, charging boolean, mock boolean)"
    ),
    "sqlite": "SELECT {values} FROM json_each(%s)",
}

# Django stores a time in SQLite with a space instead of the T, and without the Z.
_SQLITE_TIME: Final = "rtrim(replace(json_extract(value, '$.{0}'), 'T', ' '), 'Z')"
_SQLITE_VALUE: Final = "json_extract(value, '$.{0}')"
_SQLITE_ID: Final = USER_IDS.sqlite_value.format(_SQLITE_VALUE)
_SQLITE_VALUES: Final = ", ".join(
    (
        _SQLITE_TIME
        if column.endswith("_at")
        else _SQLITE_ID
        if column == "driver_id"
        else _SQLITE_VALUE
    ).format(column)
    + f" AS {column}"
    for column in Fix.__struct_fields__
)

# True of what nobody erased, in SQL: a late upload, a departure or a fix that waited in a worker's
# memory does not bring back what was erased.
_NOT_ERASED: Final = (
    "NOT EXISTS (SELECT 1 FROM {erasures} AS erasure"
    " WHERE erasure.driver_id = fix.driver_id AND fix.recorded_at < erasure.before)"
)

# True of what is shown: nothing of a driver off duty, and nothing from before the present shift.
# A worker that does not know yet that the driver is off duty stores nothing either.
_ON_DUTY: Final = (
    "NOT EXISTS (SELECT 1 FROM {states} AS duty WHERE duty.driver_id = fix.driver_id"
    " AND (duty.state = 'non_operational' OR fix.recorded_at < duty.off_duty_until))"
)

# `Fix.merged_with` in SQL: the location recorded last, the latest time of arrival, and a departure
# unless something arrived after it.
_NEWER: Final = (
    "(EXCLUDED.recorded_at, EXCLUDED.received_at) > ({table}.recorded_at, {table}.received_at)"
)
_HEARD: Final = (
    "{greatest}(COALESCE(EXCLUDED.heard_at, EXCLUDED.received_at),"
    " COALESCE({table}.heard_at, {table}.received_at))"
)
_LEFT: Final = (
    "COALESCE({greatest}(EXCLUDED.disconnected_at, {table}.disconnected_at),"
    " EXCLUDED.disconnected_at, {table}.disconnected_at)"
)
_ASSIGNMENTS: Final = {
    "disconnected_at": f"CASE WHEN {_LEFT} >= {_HEARD} THEN {_LEFT} END",
    "heard_at": (
        f"NULLIF({_HEARD},"
        f" CASE WHEN {_NEWER} THEN EXCLUDED.received_at ELSE {{table}}.received_at END)"
    ),
}
_ASSIGNMENT: Final = f"CASE WHEN {_NEWER} THEN EXCLUDED.{{column}} ELSE {{table}}.{{column}} END"
_UPSERT: Final = (
    # Without a WHERE, SQLite's parser takes ON CONFLICT for the ON of a join.
    "INSERT INTO {table} ({columns}) SELECT {columns} FROM {fixes}"  # noqa: S608
    " WHERE {not_erased} AND {on_duty}"
    " ON CONFLICT (driver_id) DO UPDATE SET {assignments}"
    # A row is not written if the fix says nothing new.
    f" WHERE {_NEWER} OR {_HEARD} > COALESCE({{table}}.heard_at, {{table}}.received_at)"
    f" OR EXCLUDED.disconnected_at >= {_HEARD}"
    " AND ({table}.disconnected_at IS NULL"
    " OR EXCLUDED.disconnected_at > {table}.disconnected_at)"
)


class Sink(Protocol):
    """Another table that fixes are written to, together with the last known locations.

    The table is in the same database as `DriverLocation`. Its rows are keyed so that writing a fix
    again changes nothing, because a batch that failed is written again.
    """

    def insert(self, fixes: Sequence[Fix]) -> str | None:
        """Return the INSERT that writes these fixes, without parameters; None if it writes none.

        It selects them from the relation `fix`, which has the fields of `Fix` as columns, and runs
        in the batch's transaction.
        """

    def may_retry(self, error: BaseException) -> bool:
        """Return True if the INSERT failed for a reason that the next call of `insert` repairs."""


# A function that stores the effects of fixes, by driver, in the surrounding transaction. It returns
# the drivers that have to wait, as another transaction has locked what their effects concern.
StoreEffects: TypeAlias = Callable[[Mapping[DriverId, Sequence[Any]]], set[DriverId]]


class Effects(NamedTuple):
    """Effects of the fixes of a batch, by driver, and the function that stores them."""

    by_driver: Mapping[DriverId, Sequence[Any]]
    store: StoreEffects

    def of(self, fixes: Iterable[Fix]) -> "Effects | None":
        """Return the effects of these drivers' fixes; None if there are none."""
        some = {
            fix.driver_id: self.by_driver[fix.driver_id]
            for fix in fixes
            if fix.driver_id in self.by_driver
        }
        return Effects(some, self.store) if some else None


class EffectsLockedError(Exception):
    """The effects of these drivers' fixes have to wait for another transaction."""

    def __init__(self, driver_ids: set[DriverId]) -> None:
        super().__init__(f"what {len(driver_ids)} drivers have reached is locked")
        self.driver_ids = driver_ids


class PartlyStoredError(Exception):
    """Part of a batch is not stored.

    `rejected` are drivers whose account is deleted, `discarded` drivers whose fix can never be
    stored, and `failed` drivers whose fix failed for a reason that may be temporary.
    """

    def __init__(
        self, rejected: set[DriverId], discarded: set[DriverId], failed: set[DriverId]
    ) -> None:
        super().__init__(f"{len(failed)} failed, {len(rejected) + len(discarded)} were refused")
        self.rejected = rejected
        self.discarded = discarded
        self.failed = failed
        # The rows that were replaced, by driver, if they were read.
        self.replaced: Mapping[DriverId, Fix] = {}

    @property
    def unstored(self) -> set[DriverId]:
        """The drivers whose fix is not stored."""
        return self.rejected | self.discarded | self.failed


def upsert(
    fixes: list[Fix],
    sinks: Sequence[Sink] = (),
    every: Mapping[DriverId, Sequence[Fix]] | None = None,
    effects: Effects | None = None,
) -> set[DriverId]:
    """Commit fixes, one per driver, that are newer than the stored ones, in one statement.

    The statements of `sinks`, for all fixes of the same drivers, `every`, are part of the same
    transaction, and so are `effects`. What was erased is left out.

    Return the drivers whose account is deleted. If some fixes fail, store the others and raise
    `PartlyStoredError`. If the database is unavailable, or all fixes fail, raise the database's
    error. The call may be repeated safely.
    """
    rejected: set[DriverId] = set()
    discarded: set[DriverId] = set()
    failed: set[DriverId] = set()
    singled_out = 0
    repaired = False
    cause: Exception | None = None
    parts = [fixes]
    while parts:
        part = parts.pop()
        try:
            # A single statement outside a transaction commits itself, and costs one round trip.
            _execute_upsert(part, sinks, every, effects)
        except EffectsLockedError as error:
            failed |= error.driver_ids
            cause = error
            if rest := [fix for fix in part if fix.driver_id not in error.driver_ids]:
                parts.append(rest)
        except Exception as error:
            driver_ids = {fix.driver_id for fix in part}
            if is_locked(error) and not failed:
                # Another transaction may hold one row for minutes; the others need not wait for it.
                failed = locked_drivers(driver_ids)
                cause = error
                if failed and failed != driver_ids:
                    parts.append([fix for fix in part if fix.driver_id not in failed])
                    continue
            if is_unavailable(error):
                raise
            if any(sink.may_retry(error) for sink in sinks):
                if repaired:
                    raise
                repaired = True
                parts.append(part)
                continue
            if len(part) > 1 and singled_out < MAX_SINGLED_OUT:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
            elif len(part) == 1 and _is_refusal(error, part[0]):
                driver_id = part[0].driver_id
                # Only the class: the message may hold the row.
                name = type(error).__name__
                logger.warning("A location of driver %s was refused: %s", driver_id, name)
                (rejected if _is_account_deleted(error) else discarded).add(driver_id)
            else:
                singled_out += 1
                failed |= driver_ids
                cause = error
    if cause is not None and len(failed) == len(fixes):
        raise cause
    if discarded or failed:
        raise PartlyStoredError(rejected, discarded, failed) from cause
    return rejected


def _is_refusal(error: Exception, fix: Fix) -> bool:
    """Return True if a fix that failed alone will fail at every retry."""
    if isinstance(error, IntegrityError | DataError):
        return True
    try:
        msgspec.json.encode(fix).decode()
    except MemoryError:
        return False
    except Exception:  # of any kind: the fix is at fault
        return True
    return False


def _is_account_deleted(error: Exception) -> bool:
    """Return True if the user's row, which a location refers to, is missing."""
    return isinstance(error, IntegrityError) and (
        sqlstate(error) == "23503" or "FOREIGN KEY" in str(error)  # SQLite's wording
    )


def upsert_and_compare(
    fixes: list[Fix],
    sinks: Sequence[Sink] = (),
    every: Mapping[DriverId, Sequence[Fix]] | None = None,
    effects: Effects | None = None,
) -> tuple[set[DriverId], Mapping[DriverId, Fix]]:
    """Do as `upsert` does, and also return the fixes that were stored before, by driver.

    The rows are locked in between, so that one of two workers sees what the other stored.
    """
    driver_ids = [fix.driver_id for fix in fixes]
    try:
        with transaction.atomic(router.db_for_write(DriverLocation)):
            # Locked in the order of ids, as in the upsert.
            rows = DriverLocation.objects.select_for_update().order_by("pk")
            replaced = snapshots_of(rows, driver_ids)
            _execute_upsert(fixes, sinks, every, effects)
    except Exception as error:  # rare: an account was deleted, or one fix fails
        if is_unavailable(error) and not is_locked(error):
            raise
        for sink in sinks:
            sink.may_retry(error)
        replaced = load_snapshots(driver_ids)
        try:
            return upsert(fixes, sinks, every, effects), replaced
        except PartlyStoredError as error:
            error.replaced = replaced
            raise
    return set(), replaced


def _execute_upsert(
    fixes: list[Fix],
    sinks: Sequence[Sink],
    every: Mapping[DriverId, Sequence[Fix]] | None,
    effects: Effects | None,
) -> None:
    effects = None if effects is None else effects.of(fixes)
    connection = connections[router.db_for_write(DriverLocation)]
    # In the order of ids: otherwise batches of two workers could deadlock.
    fixes = sorted(fixes, key=lambda fix: fix.driver_id)
    all_fixes = fixes
    if every is not None:
        all_fixes = [fix for newest in fixes for fix in every.get(newest.driver_id, ())]
    inserts = [insert for sink in sinks if (insert := sink.insert(all_fixes)) is not None]
    statements = _statements(connection.vendor, inserts, fixes, all_fixes)
    if connection.vendor == "postgresql":
        # In one message, which is one transaction and one round trip.
        sql = "; ".join(sql for sql, _ in statements)
        statements = [(sql, [parameter for _, (parameter,) in statements])]
    with ExitStack() as stack:
        if len(statements) > 1 or effects is not None:
            stack.enter_context(transaction.atomic(connection.alias))
        if effects is not None:
            _store_effects(effects, connection.alias)
        cursor = stack.enter_context(connection.cursor())
        for sql, parameters in statements:
            cursor.execute(sql, parameters)


def _store_effects(effects: Effects, using: str) -> None:
    """Store effects; raise EffectsLockedError if some have to wait."""
    try:
        with transaction.atomic(using):
            locked = effects.store(effects.by_driver)
    except Exception as error:
        if is_unavailable(error):
            raise
        # A bug there must not prevent that fixes are stored.
        logger.exception("What drivers have reached could not be stored")
        return
    if locked:
        raise EffectsLockedError(locked)


def _statements(
    vendor: str, inserts: list[str], fixes: list[Fix], all_fixes: list[Fix]
) -> list[tuple[str, list[str]]]:
    """Return the upsert and the INSERTs of the sinks, each with its parameter.

    On PostgreSQL, a batch in which each driver has one fix is a single statement, so that it is
    sent and read once. Measured with 300 rows and the history: 17 µs per row, and 23 with two
    statements; without the history 10.
    """
    table = DriverLocation._meta.db_table
    relation = _fix_relation(vendor)
    if inserts and vendor == "postgresql" and fixes == all_fixes:
        sinks = [f"sink_{number} AS ({insert})" for number, insert in enumerate(inserts)]
        common = ", ".join([f"WITH fix AS MATERIALIZED ({relation})", *sinks])
        return [(f"{common} {_upsert_statement(vendor, table, 'fix')}", [_json(fixes)])]
    upsert = _upsert_statement(vendor, table, f"({relation}) AS fix")
    of_sinks = [(f"WITH fix AS ({relation}) {insert}", [_json(all_fixes)]) for insert in inserts]
    return [(upsert, [_json(fixes)]), *of_sinks]


def _json(fixes: list[Fix]) -> str:
    return msgspec.json.encode(fixes).decode()


@cache
def _fix_relation(vendor: str) -> str:
    return _FIXES[supported(vendor)].format(values=_SQLITE_VALUES, id_type=USER_IDS.sql_type)


@cache
def _upsert_statement(vendor: str, table: str, fixes: str) -> str:
    columns = ", ".join(COLUMNS)
    # SQLite's `max` of several values is PostgreSQL's GREATEST.
    names = {"table": table, "greatest": "GREATEST" if vendor == "postgresql" else "max"}
    assignments = ", ".join(
        f"{column} = {_ASSIGNMENTS.get(column, _ASSIGNMENT).format(column=column, **names)}"
        for column in COLUMNS[1:]
    )
    return _UPSERT.format(
        columns=columns,
        fixes=fixes,
        assignments=assignments,
        not_erased=not_erased(),
        on_duty=_ON_DUTY.format(states=DriverState._meta.db_table),
        **names,
    )


def not_erased() -> str:
    """Return the condition that a row of the relation `fix` was not erased."""
    return _NOT_ERASED.format(erasures=HistoryErasure._meta.db_table)


def locked_drivers(driver_ids: Collection[DriverId]) -> set[DriverId]:
    """Return the drivers whose row another transaction has locked, without waiting for it."""
    using = router.db_for_write(DriverLocation)
    if connections[using].vendor != "postgresql":
        return set()  # SQLite locks the whole database.
    rows = DriverLocation.objects.using(using).filter(
        pk__in=any_of(list(driver_ids), DriverLocation)
    )
    with transaction.atomic(using):
        # The lock that the upsert takes.
        free = rows.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True)
        stored: set[DriverId] = set(rows.values_list("pk", flat=True))
        return stored.difference(free)


def fix_of(location: DriverLocation) -> Fix:
    """Return the fix that a row holds."""
    return Fix(*(getattr(location, column) for column in COLUMNS))


def load_snapshots(driver_ids: list[DriverId]) -> Mapping[DriverId, Fix]:
    """Return the stored fixes by driver; drivers without one are missing."""
    return snapshots_of(DriverLocation.objects.filter(on_duty()), driver_ids)


def snapshots_of(
    rows: QuerySet[DriverLocation], driver_ids: list[DriverId]
) -> Mapping[DriverId, Fix]:
    """Return those of the fixes in `rows` that are these drivers', by driver."""
    stored = rows.filter(pk__in=any_of(driver_ids, DriverLocation))
    return {row[0]: Fix(*row) for row in stored.values_list(*VALUES)}
