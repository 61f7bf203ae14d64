"""The grammar the starter model learns: scenes and their captions. drawing.py paints them.

A Scene is a value drawn from a seeded random generator; `caption` puts it into words. The caption explains the picture:
what it leaves out has one fixed default (place meadow, or sea for a boat; time day; colour `NATURAL`; size big; position
centre). Coordinates are pixels of a 128 x 128 canvas, whatever the size rendered.
"""
import random
from dataclasses import dataclass, field

CANVAS_PX = 128

COLOURS = {
    "red": (0.87, 0.17, 0.17), "yellow": (0.99, 0.83, 0.14), "green": (0.22, 0.68, 0.30), "blue": (0.16, 0.42, 0.90),
    "purple": (0.56, 0.25, 0.76), "white": (0.97, 0.97, 0.98), "orange": (0.97, 0.55, 0.12), "pink": (0.98, 0.52, 0.72),
}
NATURAL = {"bird": "blue", "tree": "green", "house": "yellow", "boat": "white", "flower": "red", "car": "red",
           "cat": "white", "balloon": "red", "mushroom": "red", "star": "yellow", "sun": "yellow", "moon": "white"}
IN_THE_SKY = {"bird", "balloon", "star", "sun", "moon"}
SIZES_PX = {"big": 68, "medium": 46, "small": 30}
RELATIVE_HEIGHT = {"car": 0.92, "boat": 1.1, "balloon": 1.15, "tree": 1.22, "flower": 1.22, "cat": 1.1, "house": 1.08}
POSITIONS_PX = {"center": 64, "left": 36, "right": 92}


@dataclass(frozen=True)
class Grammar:
    kinds: tuple
    colours: tuple
    places: tuple
    times: tuple
    sizes: tuple = ("big",)
    positions: tuple = ("center",)
    p_pair: float = 0.0  # share of scenes with two things


GRAMMARS = {
    "small": Grammar(kinds=("bird", "tree", "house", "boat", "flower", "car", "cat", "balloon"),
                     colours=("red", "yellow", "green", "blue", "purple", "white"),
                     places=("meadow", "sea", "desert", "snow"), times=("day", "sunset", "night")),
    "wide": Grammar(kinds=tuple(NATURAL), colours=tuple(COLOURS),
                    places=("meadow", "sea", "desert", "snow", "mountains", "forest"), times=("day", "sunset", "night"),
                    sizes=("big", "medium", "small"), positions=("center", "left", "right"), p_pair=0.35),
}


@dataclass
class Thing:
    kind: str
    colour: str
    size: str = "big"
    position: str = "center"
    say_colour: bool = True
    say_size: bool = False
    say_position: bool = False
    on_branch: bool = False
    x: float = 64.0  # centre of a thing in the sky, middle of the foot of a thing on the ground
    y: float = 64.0
    height_px: float = 64.0


@dataclass
class Scene:
    place: str
    time: str
    say_place: bool = True
    say_time: bool = True
    things: list = field(default_factory=list)
    phase: float = 0.0  # of the hills
    clouds: tuple = ()


# --- drawing a random scene --------------------------------------------------------------------------------------

CLOUD_LAYOUTS = (((20, 20, 22), (106, 30, 20)), ((104, 18, 22), (24, 34, 19)), ((28, 28, 20), (98, 20, 24)))


def held_out(kind, colour, place, time):
    """One combination in ten is never trained on, so that it can test what the model makes of new combinations."""
    text = f"{kind}/{colour}/{place}/{time}"
    value = 0
    for ch in text:
        value = (value * 31 + ord(ch)) % 1000003
    return value % 10 == 3


def place_thing(thing, rng):
    height = SIZES_PX[thing.size] * rng.uniform(0.94, 1.06)
    height *= RELATIVE_HEIGHT.get(thing.kind, 1.0)
    half = height * (0.7 if thing.kind in ("car", "bird") else 0.5)
    x = POSITIONS_PX[thing.position] + rng.uniform(-7, 7)
    thing.x = min(max(x, half + 1), CANVAS_PX - half - 1)
    if thing.kind in IN_THE_SKY:
        thing.y = {"big": 50, "medium": 42, "small": 36}[thing.size] + rng.uniform(-3, 3)
    else:
        thing.y = {"big": 114, "medium": 110, "small": 106}[thing.size] + rng.uniform(-2, 2)
    thing.height_px = height


def random_thing(grammar, rng, kind):
    thing = Thing(kind, rng.choice(grammar.colours), say_colour=rng.random() < 0.93)
    if not thing.say_colour and NATURAL[kind] in grammar.colours:
        thing.colour = NATURAL[kind]
    thing.on_branch = kind == "bird" and rng.random() < 0.5
    if len(grammar.sizes) > 1 and not thing.on_branch and rng.random() < 0.45:
        thing.size, thing.say_size = rng.choice(grammar.sizes), True
    if len(grammar.positions) > 1 and not thing.on_branch and rng.random() < 0.45:
        thing.position, thing.say_position = rng.choice(grammar.positions), True
    return thing


def random_scene(grammar, rng, test=False):
    """A scene of the training set, or (test) one whose combination is held out."""
    while True:
        scene = Scene(rng.choice(grammar.places), rng.choice(grammar.times), rng.random() < 0.7, rng.random() < 0.7)
        pair = rng.random() < grammar.p_pair
        kinds = rng.sample(grammar.kinds, 2 if pair else 1)
        scene.things = [random_thing(grammar, rng, kind) for kind in kinds]
        if not scene.say_place:
            scene.place = "sea" if kinds[0] == "boat" else "meadow"
        if not scene.say_time:
            scene.time = "day"
        if pair:
            arrange_pair(scene, grammar, rng)
        if any(held_out(t.kind, t.colour, scene.place, scene.time) for t in scene.things) == test:
            break
    settle(scene, rng)
    return scene


def arrange_pair(scene, grammar, rng):
    first, second = scene.things
    while second.colour == first.colour:
        second.colour, second.say_colour = rng.choice(grammar.colours), True
    sides = ["left", "right"]
    rng.shuffle(sides)
    for thing, side in zip(scene.things, sides):
        thing.on_branch = thing.say_size = False
        thing.size, thing.position, thing.say_position = "medium", side, True


def settle(scene, rng):
    """Fills in what no caption tells: exact positions, hills, clouds."""
    for thing in scene.things:
        place_thing(thing, rng)
    scene.phase = rng.uniform(-0.7, 0.7)
    scene.clouds = tuple((x + rng.uniform(-4, 4), y + rng.uniform(-3, 3), w) for x, y, w in rng.choice(CLOUD_LAYOUTS))


def make_scene(kind, colour, place="meadow", time="day", seed=0, **thing):
    scene = Scene(place, time, things=[Thing(kind, colour, **thing)])
    settle(scene, random.Random(seed))
    return scene


# --- captions ----------------------------------------------------------------------------------------------------

NOUNS = {"cat": ("cat", "cat", "cat", "kitten"), "house": ("house", "house", "house", "cottage"),
         "boat": ("boat", "boat", "boat", "sailboat", "ship"), "balloon": ("balloon", "balloon", "hot air balloon")}
SIZE_WORDS = {"small": ("small", "little", "tiny"), "medium": ("medium",), "big": ("big", "large", "huge")}
PREFIXES = ("",) * 10 + ("a picture of ", "a drawing of ", "an illustration of ", "a painting of ", "a photo of ")
SUFFIXES = ("",) * 14 + (", flat illustration", ", cartoon style")
PERCHED = ("on a branch", "on a branch", "sitting on a branch", "perched on a branch", "on a tree branch")
PLACE_PHRASES = {
    "meadow": ("in a meadow", "in a green meadow", "in a field", "on the grass"),
    "sea": ("at sea", "on the sea", "by the sea", "on the ocean"),
    "desert": ("in the desert", "in a desert", "on the sand"),
    "snow": ("in the snow", "in the snow", "in winter", "in a snowy field"),
    "mountains": ("in the mountains", "in front of mountains"), "forest": ("in the forest", "in a forest", "in the woods")}
PLACE_TAGS = {"meadow": ("meadow", "green meadow", "field"), "sea": ("sea", "ocean", "blue sea"), "desert": ("desert", "sand"),
              "snow": ("snow", "winter"), "mountains": ("mountains",), "forest": ("forest", "woods")}
TIME_PHRASES = {"day": ("during the day", "on a sunny day", "by day"),
                "sunset": ("at sunset", "at sunset", "at dusk", "in the evening"),
                "night": ("at night", "at night", "by night")}
TIME_TAGS = {"day": ("day", "sunny day", "blue sky"), "sunset": ("sunset", "sunset sky"),
             "night": ("night", "night sky", "starry night")}
POSITION_PHRASES = {"left": ("on the left", "on the left side"), "right": ("on the right", "on the right side"),
                    "center": ("in the middle", "in the center")}


def name_thing(thing, rng):
    words = []
    if thing.say_size:
        words.append(rng.choice(SIZE_WORDS[thing.size]))
    if thing.say_colour:
        words.append(thing.colour)
    words.append(rng.choice(NOUNS.get(thing.kind, (thing.kind,))))
    text = " ".join(words)
    u = rng.random()
    if u < 0.88:
        text = ("an " if text[0] in "aeiou" else "a ") + text
    elif u < 0.94:
        text = "the " + text
    if thing.on_branch:
        text += " " + rng.choice(PERCHED)
    return text


def name_pair(first, second, rng):
    a, b = name_thing(first, rng), name_thing(second, rng)
    form = rng.randrange(4)
    if form == 0:
        return f"{a} on the {first.position} and {b} on the {second.position}"
    if form == 1:
        return f"{a} to the {first.position} of {b}"
    left, right = (a, b) if first.position == "left" else (b, a)
    return f"{left} {'and' if form == 2 else 'next to'} {right}"  # left to right where no side is told


def caption(scene, rng):
    """One of many phrasings of the scene; the first thing named is scene.things[0] unless a pair is told left to right."""
    if len(scene.things) == 2:
        text = name_pair(*scene.things, rng)
    else:
        thing = scene.things[0]
        text = name_thing(thing, rng)
        if thing.say_position:
            text += " " + rng.choice(POSITION_PHRASES[thing.position])
    tags = rng.random() < 0.3
    places, times = (PLACE_TAGS, TIME_TAGS) if tags else (PLACE_PHRASES, TIME_PHRASES)
    parts = []
    if scene.say_place:
        parts.append(rng.choice(places[scene.place]))
    if scene.say_time:
        parts.append(rng.choice(times[scene.time]))
    if rng.random() < 0.2:
        parts.reverse()
    return rng.choice(PREFIXES) + (", " if tags else " ").join([text] + parts) + rng.choice(SUFFIXES)


def known_words(grammar):
    """Every word a caption of this grammar may hold, for the hint on unknown words."""
    words = set()
    for kind in grammar.kinds:
        for noun in NOUNS.get(kind, (kind,)):
            words.update(noun.split())
    tables = [PREFIXES, SUFFIXES, PERCHED]
    for table, keys in ((PLACE_PHRASES, grammar.places), (PLACE_TAGS, grammar.places), (TIME_PHRASES, grammar.times),
                        (TIME_TAGS, grammar.times)):
        tables.extend(table[key] for key in keys)
    if len(grammar.positions) > 1:
        tables.extend(POSITION_PHRASES.values())
    if len(grammar.sizes) > 1:
        tables.extend(SIZE_WORDS[size] for size in grammar.sizes)
    if grammar.p_pair:
        tables.append(("on the left and", "to the right of", "next to"))
    for phrases in tables:
        for phrase in phrases:
            words.update(phrase.replace(",", " ").split())
    return sorted(words | set(grammar.colours) | {"a", "an", "the"})


ATTRIBUTES = ("kind", "colour", "place", "time", "branch", "size", "position")


def labels(scene, grammar):
    """Class index of every attribute, in the order of ATTRIBUTES; -1 where a pair has two answers."""
    thing = scene.things[0]
    if len(scene.things) == 2:
        return (-1, -1, grammar.places.index(scene.place), grammar.times.index(scene.time), -1, -1, -1)
    return (grammar.kinds.index(thing.kind), grammar.colours.index(thing.colour), grammar.places.index(scene.place),
            grammar.times.index(scene.time), int(thing.on_branch), grammar.sizes.index(thing.size),
            grammar.positions.index(thing.position))


def class_counts(grammar):
    return (len(grammar.kinds), len(grammar.colours), len(grammar.places), len(grammar.times), 2, len(grammar.sizes),
            len(grammar.positions))
