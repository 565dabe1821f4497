"""Batches of fixes measured while offline: each fix is validated separately."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from tracking.protocol.errors import InvalidMessage, OffDuty
from tracking.protocol.frames import Verdict
from tracking.protocol.messages import (
    MAX_FIXES_PER_BATCH,
    DriverMessage,
    Measurement,
    Send,
    SendBatch,
    SetState,
    Time,
    decode,
    place,
    refusal,
    utc,
)

RECORDED_OFF_DUTY: Final = "this location was recorded off duty: don't send it"

_END_OF_TIME: Final = datetime.max.replace(tzinfo=UTC)

_SHAPE: Final = '"token": …, "command": "send", "lat": …, "lon": …'

# A batch that is split into fixes, which are not decoded yet.
RawFixes = Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MAX_FIXES_PER_BATCH)]


class Unreadable(Measurement):
    """The placeholder in a batch for a fix that cannot be decoded."""

    error: InvalidMessage | None = None


class _RawBatch(msgspec.Struct, tag_field="command", tag="send_batch"):
    fixes: RawFixes
    token: str | None = None
    details: bool = False
    sent_at: Time | None = None


class _RawMessage(msgspec.Struct):
    type: Literal["authenticate"]
    payload: _RawBatch


_driver_decoder: Final = msgspec.json.Decoder(DriverMessage)
_raw_decoder: Final = msgspec.json.Decoder(_RawMessage)
_measurement_decoder: Final = msgspec.json.Decoder(Measurement)


def decode_driver_message(text: str) -> Send | SendBatch | SetState:
    """Return the payload of a message on set-tracking.

    Raise `InvalidMessage`, or `InvalidLocation` if only the location is wrong.
    """
    try:
        return decode(_driver_decoder, text, _SHAPE).payload
    except InvalidMessage:
        try:
            raw = _raw_decoder.decode(text).payload
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raw = None  # Not even a batch: report the first error.
        if raw is None:
            raise
    return SendBatch(one_by_one(raw.fixes), raw.token, raw.details, raw.sent_at)


def one_by_one(fixes: Iterable[msgspec.Raw]) -> list[Measurement]:
    """Return the fixes of a batch, with `Unreadable` for those that cannot be decoded."""
    return [_read(fix) for fix in fixes]


def _read(fix: msgspec.Raw) -> Measurement:
    try:
        return _measurement_decoder.decode(fix)
    except msgspec.ValidationError as error:
        return Unreadable(error=refusal(error, '{"lat": …, "lon": …}'))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Unreadable(error=InvalidMessage('expected {"lat": …, "lon": …}'))


def judge(measurements: Sequence[Measurement]) -> tuple[list[Measurement], list[Verdict]]:
    """Return the valid fixes of a batch, and verdicts on the others.

    If none is valid, raise the error of the first: `InvalidMessage` or `InvalidLocation`.
    """
    good, verdicts = [], []
    first: InvalidMessage | None = None
    for index, measurement in enumerate(measurements):
        try:
            _check(measurement)
        except InvalidMessage as error:
            first = first or type(error)(f"fixes[{index}]: {error}")
            verdicts.append(Verdict(index, error.code, str(error)))
        else:
            good.append(measurement)
    if first is not None and not good:
        raise first
    return good, verdicts


def _check(measurement: Measurement) -> None:
    if isinstance(measurement, Unreadable) and measurement.error is not None:
        raise measurement.error
    place(measurement)
    if measurement.recorded_at is not None:
        utc(measurement.recorded_at)


def oldest_first(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Return a batch sorted by the device's clock; fixes of the same time keep their order.

    A fix without a time counts as measured on arrival, after all that have one.
    """
    return sorted(measurements, key=_recorded)


def positions_in(batch: Sequence[Measurement], chosen: Sequence[Measurement]) -> list[int]:
    """Return the positions in `batch` of those of its fixes that were chosen, in their order."""
    positions = {id(measurement): index for index, measurement in enumerate(batch)}
    return [positions[id(measurement)] for measurement in chosen]


def off_duty_verdicts(left_out: Iterable[int], positions: Sequence[int]) -> list[Verdict]:
    """Return verdicts on fixes that were recorded off duty.

    They are at the positions `left_out` of the fixes that have these `positions` in the batch.
    """
    return [Verdict(positions[index], OffDuty.code, RECORDED_OFF_DUTY) for index in left_out]


def _recorded(measurement: Measurement) -> datetime:
    return measurement.recorded_at or _END_OF_TIME
