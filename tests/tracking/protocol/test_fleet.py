"""Messages of fleet viewers, and the frames for them."""

import json
import math

import pytest

from tracking.protocol import InvalidMessage, Stop, details
from tracking.protocol.fleet import (
    Bbox,
    decode_fleet_message,
    encode_batch,
    encode_item,
    encode_name,
    to_bbox,
)

from ..fakes import fix_of
from ..messages import TOKEN, start

TOWN = [102.3, 0.4, 102.5, 0.6]
COUNTS = {"live": 2, "stale": 0, "offline": 1}


def decode(**payload):
    return decode_fleet_message(json.dumps(start(payload=payload)))


def test_a_start_without_bbox_is_for_everybody():
    assert decode().token == TOKEN
    assert decode().bbox is None
    assert decode(bbox=None).bbox is None


def test_a_bbox_is_west_south_east_north():
    assert decode(bbox=TOWN).bbox == Bbox(west=102.3, south=0.4, east=102.5, north=0.6)


@pytest.mark.parametrize("bbox", [[-180, -90, 180, 90], [5, 5, 5, 5], [170, 0, -170, 1]])
def test_a_bbox_may_be_the_world_or_a_point_or_cross_the_antimeridian(bbox):
    assert decode(bbox=bbox).bbox == Bbox(*bbox)


@pytest.mark.parametrize(
    ("edges", "wrapped"),
    [
        ((170, 190), (170, -170)),
        ((-190, -170), (170, -170)),
        ((190, 200), (-170, -160)),
        ((-200, -190), (160, 170)),
        ((180, 200), (180, -160)),
        ((-200, -180), (160, -180)),
        ((200, 540), (-160, 180)),
        ((-540, -200), (-180, 160)),
        ((730, 740), (10, 20)),
        # A map zoomed out to more than one world.
        ((-200, 200), (-180, 180)),
        ((10, 370), (-180, 180)),
    ],
)
def test_longitudes_of_a_bbox_wrap_as_on_a_map_that_is_panned(edges, wrapped):
    west, east = edges
    bbox = decode(bbox=[west, 0, east, 1]).bbox
    assert (bbox.west, bbox.east) == wrapped


@pytest.mark.parametrize("edge", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", range(4))
def test_an_edge_that_is_no_number_makes_no_bbox(edge, place):
    edges = [*TOWN]
    edges[place] = edge
    with pytest.raises(InvalidMessage):
        to_bbox(edges)


@pytest.mark.parametrize(
    "bbox",
    [
        "102.3,0.4,102.5,0.6",
        {},
        [],
        TOWN[:3],
        [*TOWN, 0],
        ["102.3", 0.4, 102.5, 0.6],
        [None, 0.4, 102.5, 0.6],
        [True, 0.4, 102.5, 0.6],
        [102.3, -91, 102.5, 0.6],
        [102.3, 0.4, 102.5, 91],
        [102.3, 0.6, 102.5, 0.4],
        False,
        0,
    ],
)
def test_the_refusal_of_a_wrong_bbox_says_what_is_right(bbox):
    with pytest.raises(InvalidMessage, match=r"bbox must be \[west, south, east, north\]"):
        decode(bbox=bbox)


def test_the_refusal_of_a_wrong_message_gives_the_shape_with_the_bbox():
    with pytest.raises(InvalidMessage, match='"bbox": '):
        decode(command="send")


def test_a_stream_can_be_stopped():
    assert isinstance(decode(command="stop"), Stop)


@pytest.mark.parametrize(
    ("latitude", "longitude", "inside"),
    [
        (0.5, 102.4, True),
        (0.4, 102.3, True),
        (0.6, 102.5, True),
        (0.61, 102.4, False),
        (0.39, 102.4, False),
        (0.5, 102.51, False),
        (0.5, 102.29, False),
    ],
)
def test_a_bbox_contains_what_is_within_its_edges(latitude, longitude, inside):
    assert Bbox(*TOWN).contains(latitude, longitude) is inside


@pytest.mark.parametrize(
    ("longitude", "inside"),
    [(175, True), (180, True), (-180, True), (-175, True), (0, False), (-169, False), (169, False)],
)
def test_a_bbox_over_the_antimeridian_contains_both_sides_of_it(longitude, inside):
    assert Bbox(170, -1, -170, 1).contains(0, longitude) is inside


def test_a_batch_frame_leaves_out_empty_members():
    assert json.loads(encode_batch("update", [], [], None)) == {"update": []}
    frame = encode_batch("snapshot", ['{"userId": 1}', '{"userId": 2}'], [3], COUNTS)
    assert json.loads(frame) == {
        "snapshot": [{"userId": 1}, {"userId": 2}],
        "remove": [3],
        "counts": COUNTS,
    }


@pytest.mark.parametrize("name", [None, "Jonh", 'Zoë "Zo" Ünlü', "山田 太郎", "🚕", "\\ </script>"])
def test_a_name_of_any_letters_arrives_and_keeps_the_frame_ascii(name):
    item = encode_item(fix_of(1), "live", encode_name(name))
    assert item.isascii()
    assert json.loads(item) == details(fix_of(1), "live") | {"name": name}
