import subprocess
import sys
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

import msgspec
import pytest
from django.db import models
from django.test.utils import isolate_apps

from tracking.conf import conf
from tracking.fix import Fix
from tracking.ids import (
    INTEGERS,
    MAX_ID,
    UUIDS,
    from_plain,
    id_at,
    time_ordered_id,
    to_plain,
)
from tracking.people import USER_IDS, ids_of
from tracking.pipeline.broadcast import all_shards, decode_batch, encode_batch, shard_of
from tracking.protocol import (
    InvalidUserId,
    details,
    encode_details,
    encode_unknown,
    parse_driver_id,
)
from tracking.protocol import fleet as fleet_protocol

from .messages import NOON

TEXT = "0c9f3a52-7d1e-4b86-9f0e-5a3c2d1b4e6f"
ID = UUID(TEXT)
KINDS = pytest.mark.parametrize(
    ("ids", "text", "user_id"), [(INTEGERS, "19", 19), (UUIDS, TEXT, ID)], ids=["integer", "uuid"]
)


@KINDS
def test_an_id_is_read_from_text_and_from_a_tokens_claim(ids, text, user_id):
    assert ids.parse(text) == ids.parse_claim(text) == user_id
    assert parse_driver_id(f"userId={text}".encode(), ids) == user_id
    assert ids.is_storable(user_id)
    assert user_id > ids.lowest


def test_an_integer_may_be_a_number_in_a_claim():
    assert INTEGERS.parse_claim(19) == 19
    assert INTEGERS.parse_claim(True) is None
    assert INTEGERS.parse_claim(MAX_ID + 1) is None
    assert UUIDS.parse_claim(19) is None


@pytest.mark.parametrize("text", ["", "0", "-1", "+1", " 1", "1_9", "٣", str(MAX_ID + 1), TEXT])
def test_what_is_no_positive_integer_is_no_id_of_integers(text):
    assert INTEGERS.parse(text) is None


def test_a_uuid_is_read_in_upper_case():
    assert UUIDS.parse(TEXT.upper()) == ID


@pytest.mark.parametrize(
    "text",
    [
        "",
        "19",
        f"{{{TEXT}}}",
        f"urn:uuid:{TEXT}",
        TEXT.replace("-", ""),
        f" {TEXT}",
        f"{TEXT}\n",
        TEXT[:-1] + "g",
        TEXT[:-1] + "٣",
    ],
)
def test_other_spellings_are_no_uuid(text):
    assert UUIDS.parse(text) is None
    with pytest.raises(InvalidUserId, match=r"one UUID$"):
        parse_driver_id(f"userId={text}".encode(), UUIDS)


@pytest.mark.parametrize(("user_id", "plain"), [(19, 19), (ID, TEXT)])
def test_an_id_travels_plain_and_comes_back(user_id, plain):
    assert to_plain(user_id) == plain
    assert from_plain(plain) == user_id


@pytest.mark.parametrize(("user_id", "json"), [(19, 19), (ID, TEXT)])
def test_frames_carry_the_id_as_json_has_it(user_id, json):
    fix = Fix(user_id, -1.4354, 0.9871, NOON, NOON)
    assert msgspec.json.decode(encode_details(fix, "live")) == details(fix, "live")
    assert details(fix, "live")["userId"] == json
    assert msgspec.json.decode(encode_unknown(user_id))["userId"] == json
    batch = fleet_protocol.encode_batch("update", (), [user_id], None)
    assert msgspec.json.decode(batch)["remove"] == [json]


@pytest.mark.parametrize("user_id", [19, MAX_ID, ID])
def test_a_batch_between_workers_keeps_the_id(user_id):
    fix = Fix(user_id, -1.4354, 0.9871, NOON, NOON + timedelta(seconds=1))
    assert decode_batch(encode_batch([fix], "here")) == [fix]


def test_uuids_are_spread_over_all_shards_alike_in_every_process(settings):
    settings.TRACKING = {"SHARDS": 4}
    assert {shard_of(UUID(int=ID.int + number)) for number in range(100)} == set(all_shards())
    code = f"from uuid import UUID; print(hash(UUID('{TEXT}')) % {conf.SHARDS})"
    number = subprocess.check_output([sys.executable, "-c", code], text=True).strip()
    assert shard_of(ID) == f"tracking.shard.{number}"


@isolate_apps("tracking")
def test_the_kind_of_ids_is_that_of_the_key_or_of_what_the_key_points_to():
    class Base(models.Model):  # noqa: DJ008
        id = models.UUIDField(primary_key=True)

        class Meta:
            app_label = "tracking"

    class Inherits(Base):  # noqa: DJ008
        class Meta:
            app_label = "tracking"

    class Profile(models.Model):  # noqa: DJ008
        person = models.OneToOneField(Inherits, models.CASCADE, primary_key=True)

        class Meta:
            app_label = "tracking"

    for model in (Base, Inherits, Profile):
        assert ids_of(model._meta.pk) is UUIDS
    for field in (models.AutoField, models.BigAutoField, models.PositiveIntegerField):
        assert ids_of(field(primary_key=True)) is INTEGERS
    assert ids_of(models.CharField(primary_key=True)) is None
    assert USER_IDS is INTEGERS


def test_time_ordered_ids_are_of_version_7_and_grow():
    made = [time_ordered_id() for _ in range(5_000)]
    assert made == sorted(set(made))
    assert {(each.version, each.variant) for each in made} == {(7, RFC_4122)}


def test_time_ordered_id_begins_with_the_time(monkeypatch):
    monkeypatch.setattr("tracking.ids._last_id", 0)
    at = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)
    monkeypatch.setattr("time.time_ns", lambda: int(at.timestamp()) * 10**9 + 250_500_000)
    first, second = time_ordered_id(), time_ordered_id()
    assert first.int >> 80 == int(at.timestamp() * 1_000)
    # Half a millisecond.
    assert first.int >> 64 & 0xFFF == 0x800
    assert id_at(at) < first < second < id_at(at + timedelta(milliseconds=1))
    monkeypatch.setattr("time.time_ns", lambda: 0)
    # A clock that was set back.
    assert time_ordered_id() > second
