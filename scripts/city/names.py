"""Invented street names, each used once."""

import random

_STEMS = """Anchor Alder Amber Arbour Baker Barrow Beacon Bellows Birch Bramble Brewer Bristle Buoy
Cable Candle Carver Chandler Chapel Chestnut Cinder Clay Cloister Clover Cobble Cooper Copper Coral
Cordwain Cormorant Crane Curlew Cutler Damson Dolphin Dove Dyer Elder Ember Farrier Felt Fern Ferry
Fiddler Finch Flax Fletcher Forge Fuller Gannet Garland Ginger Glazier Glover Gorse Granite Grebe
Gull Hammer Harrow Hawser Hazel Heather Hemp Heron Hopper Hornbeam Ivory Juniper Keel Kelp Kestrel
Kiln Lamp Lapwing Lark Laurel Lavender Ledger Lime Linen Linnet Lock Loom Magpie Maltster Maple
Marble Marigold Mason Mast Mercer Milliner Mint Mortar Myrtle Needle Net Nettle Oar Olive Orchard
Osprey Otter Paper Pearl Pebble Pepper Petrel Pilot Pine Plover Poplar Potter Pulley Quarry Quill
Quince Raven Reed Robin Ropewalk Rowan Rudder Rush Saddler Saffron Sail Salt Samphire Sandpiper
Sawyer Sedge Shell Shipwright Shingle Silver Skein Skylark Slate Sorrel Spar Spindle Starling Stone
Swallow Swift Tallow Tanner Teasel Teal Tern Thatcher Thimble Thistle Thrift Tiller Timber Tinker
Turner Vellum Verger Vine Walnut Warbler Weaver Wheel Wherry Whistle Willow Windlass Wool Wren
Yarrow""".split()  # noqa: SIM905 - a list literal would be 150 lines
_KINDS = {
    "Old Town": ["Lane", "Row", "Alley", "Passage", "Street", "Court", "Yard"],
    "Anchor Side": ["Wharf", "Street", "Row", "Lane"],
    "New Town": ["Street", "Avenue", "Street", "Place"],
    "Chandlers": ["Street", "Street", "Terrace", "Avenue"],
    "Lantern Hill": ["Hill", "Rise", "Terrace", "Steps", "Street"],
    "": ["Road", "Drive", "Way", "Crescent", "Grove", "Close", "Gardens"],
}


class Names:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.used: set[str] = set()

    def street(self, district: str) -> str:
        """Return an unused name in the style of the district."""
        kinds = _KINDS.get(district, _KINDS[""])
        while True:
            stem = _STEMS[int(self.rng.random() * len(_STEMS))]
            name = f"{stem} {kinds[int(self.rng.random() * len(kinds))]}"
            if name not in self.used:
                self.used.add(name)
                return name
