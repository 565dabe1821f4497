"""The invented names of the demo's drivers and riders."""

from typing import Final


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.replace("\n", " ").split(", "))


# Ids are given in this order: new names go to the end.
DRIVERS: Final = _names(
    """\
Marlow Finch, Ines Calder, Tobias Wren, Amara Holloway, Jasper Quill, Noor Lindqvist, Delia
Marsh, Ruben Ashdown, Yuki Thorne, Leonie Barrow, Cosmo Vane, Petra Gale, Idris Fenwick, Saskia
Rowe, Emil Hawthorne, Tamsin Brook, Oskar Lyle, Zadie Merritt, Hugo Sterling, Mirela Stone, Kofi
Ambrose, Greta Winslow, Anselm Pike, Lucia Harrow, Bram Kestrel, Farah Linden, Silas Orme, Nadia
Fairweather, Otto Penrose, Rosa Tindall, Callum Dray, Esme Lockwood, Viktor Sallow, Hana Birch,
Jonas Crewe, Celeste Moor, Dario Flint, Wilma Harker, Tariq Selby, Astrid Vale, Felix Underhill,
Odette Rushmore, Benedikt Shaw, Imani Crossley, Lorcan Webb, Pilar Hartley, Soren Blakeney, Maud
Everly, Rafael Thatcher, Ingrid Hollis, Kwame Fletcher, Beatrix Lowry, Stellan Grove, Anouk
Whitby, Demetri Castell, Freya Langdon, Joaquin Mere, Thea Ravenhill, Malik Osgood, Willa
Penhale, Casper Dunmore, Leila Strand, Gideon Arkwright, Paloma Hurst, Torben Keane, Zora
Wetherby, Alistair Nye, Mei Rookwood, Ezra Halloran, Katya Summers, Lennart Ford, Salma Briar,
Piers Tolland, Naomi Redfern, Arlo Sandiford, Vera Cotterill, Hassan Elder, Linnea Croft, Magnus
Tarrant, Ottilie Bray, Reza Hollow, Sunniva Peel, Caspian Yorke, Dalia Thornbury, Evander Moss,
Gemma Ridley, Henrik Sparrow, Ilse Waverley, Jamal Carrow, Keziah Longden, Ludo Fairfax, Marisol
Keats, Nils Bracken, Oriel Stanmore, Philippa Dune, Quentin Ashe, Roza Millbank, Stefan
Coldwell, Tilda Verney, Ulla Marchmont"""
)
RIDERS: Final = _names(
    """\
Agnes Bellamy, Boris Copeland, Carys Denholm, Dev Eastwood, Elin Farrow, Frank Gilmour, Gwen
Hadley, Hari Ingram, Iris Jarvis, Jules Kendrick, Karin Lovell, Luca Mansell, Mona Norwood, Nico
Oakley, Olga Prescott, Pascal Quinby, Rhea Sefton, Sami Tolbert, Tova Upton, Uma Vickers, Vito
Wardell, Wren Yardley, Xenia Abbot, Yusuf Barnaby, Zelda Carver, Abel Dunstan, Bianca Ellery,
Cyrus Fawley, Dora Glover, Enzo Hartwell, Faye Iversen, Gregor Jessop, Hedda Kirkham, Ivo
Langley, June Mercer, Kamal Nestor, Lotte Orchard, Mateo Pryor, Nell Rowland, Omar Stratton,
Petra Tilley, Ravi Underwood, Stella Vaughan, Timo Westbrook, Ursula Yates, Valentin Aldous,
Winnie Brandt, Yara Colby, Zeno Darby, Alma Edgerton, Bruno Fielding, Clio Garrick, Dante
Holloway, Eira Isham, Fergus Judd, Gilda Kearney, Hugo Lorimer, Ida Maddox, Jonah Nairn, Kira
Oswald, Leo Pemberton, Mabel Rainsford, Noel Sheldon, Opal Trent, Pavel Umber, Ruth Varley,
Simon Whitlock, Tess Yelland, Udo Ainsworth, Vesna Beckett"""
)
