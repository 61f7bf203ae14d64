"""Paints the scenes of scenes.py with cairo: flat illustrations, 128 x 128 pixels or any other size."""
import math

import cairo
import numpy as np

from scenes import CANVAS_PX, COLOURS, IN_THE_SKY

HORIZON = 84

SKY = {"day": ((0.33, 0.66, 0.95), (0.82, 0.94, 1.0)), "sunset": ((0.45, 0.24, 0.55), (1.0, 0.70, 0.42)),
       "night": ((0.04, 0.06, 0.20), (0.15, 0.20, 0.44))}
STARS = ((10, 12), (28, 26), (44, 9), (70, 14), (86, 30), (99, 10), (117, 24), (14, 46), (110, 46))
GROUND = {"meadow": ((0.56, 0.82, 0.42), (0.38, 0.71, 0.30)), "desert": ((0.96, 0.82, 0.52), (0.89, 0.69, 0.36)),
          "snow": ((0.80, 0.88, 0.96), (0.93, 0.97, 1.0)), "mountains": ((0.45, 0.64, 0.38), (0.38, 0.58, 0.33)),
          "forest": ((0.36, 0.58, 0.26), (0.30, 0.52, 0.24))}
WOOD, DARK_WOOD, INK, LEAF = (0.50, 0.32, 0.18), (0.36, 0.22, 0.12), (0.13, 0.13, 0.17), (0.27, 0.62, 0.26)


def mix(a, b, t):
    return tuple(x * (1 - t) + y * t for x, y in zip(a, b))


def lit(colour, time):
    """A background colour in the light of that time of day."""
    if time == "sunset":
        return tuple(v * 0.70 + tint * 0.28 for v, tint in zip(colour, (0.85, 0.42, 0.35)))
    if time == "night":
        return tuple(v * 0.38 + tint * 0.28 for v, tint in zip(colour, (0.15, 0.20, 0.55)))
    return colour


class Brush:
    """Shapes in the unit coordinates of one thing: y up is negative, 1 is the height of the thing."""

    def __init__(self, context, outline, line_width):
        self.cr, self.outline, self.line_width = context, outline, line_width

    def fill(self, colour, outline=True):
        self.cr.set_source_rgb(*colour)
        if not outline:
            self.cr.fill()
            return
        self.cr.fill_preserve()
        self.cr.set_source_rgb(*(self.outline if outline is True else outline))
        self.cr.set_line_width(self.line_width)
        self.cr.stroke()

    def ellipse(self, x, y, rx, ry, angle=0.0):
        cr = self.cr
        cr.save()
        cr.translate(x, y), cr.rotate(angle), cr.scale(rx, ry)
        cr.new_path(), cr.arc(0, 0, 1, 0, 2 * math.pi), cr.close_path()
        cr.restore()

    def polygon(self, *points):
        self.cr.new_path()
        for x, y in points:
            self.cr.line_to(x, y)
        self.cr.close_path()

    def curve(self, start, *curves):
        """Closed path of cubic curves, each (control, control, end)."""
        self.cr.new_path()
        self.cr.move_to(*start)
        for (ax, ay), (bx, by), (x, y) in curves:
            self.cr.curve_to(ax, ay, bx, by, x, y)
        self.cr.close_path()

    def stroke(self, colour, width, *points):
        self.cr.new_path()
        for x, y in points:
            self.cr.line_to(x, y)
        self.cr.set_source_rgb(*colour), self.cr.set_line_width(width)
        self.cr.stroke()


def draw_bird(b, c, light, dark, thing):
    if thing.on_branch:
        for x in (-0.06, 0.08):
            b.stroke(DARK_WOOD, 0.045, (x, 0.28), (x, 0.42))
    b.polygon((-0.30, -0.02), (-0.70, -0.16), (-0.66, 0.14)), b.fill(dark)
    b.polygon((0.46, -0.30), (0.70, -0.20), (0.46, -0.10)), b.fill((0.98, 0.63, 0.12), (0.75, 0.42, 0.05))
    b.curve((-0.42, -0.02), ((-0.25, -0.22), (0.0, -0.16), (0.10, -0.32)), ((0.18, -0.52), (0.52, -0.50), (0.54, -0.22)),
            ((0.56, 0.10), (0.30, 0.34), (0.02, 0.34)), ((-0.22, 0.34), (-0.42, 0.20), (-0.42, -0.02)))
    b.fill(c)
    b.ellipse(0.20, 0.16, 0.19, 0.13, -0.5), b.fill(light, False)
    if thing.on_branch:
        b.curve((0.14, -0.06), ((0.10, 0.28), (-0.28, 0.28), (-0.44, 0.04)), ((-0.25, -0.10), (-0.05, -0.14), (0.14, -0.06)))
    else:
        b.curve((0.14, 0.00), ((0.02, -0.30), (-0.20, -0.56), (-0.46, -0.60)), ((-0.44, -0.30), (-0.40, 0.06), (0.14, 0.00)))
    b.fill(dark)
    b.ellipse(0.37, -0.25, 0.055, 0.06), b.fill(INK, False)


def draw_tree(b, c, light, dark, thing):
    b.polygon((-0.10, 0.0), (-0.06, -0.45), (0.06, -0.45), (0.10, 0.0)), b.fill(WOOD, DARK_WOOD)
    crown = ((-0.22, -0.48, 0.22, 0.19), (0.22, -0.48, 0.22, 0.19), (0.0, -0.72, 0.30, 0.28))
    for shape in crown:
        b.ellipse(*shape), b.fill(c)
    for x, y, rx, ry in crown + ((0.0, -0.55, 0.22, 0.20),):
        b.ellipse(x, y, rx - 0.015, ry - 0.015), b.fill(c, False)
    b.ellipse(-0.10, -0.80, 0.12, 0.10), b.fill(light, False)


def draw_house(b, c, light, dark, thing):
    roof = (0.42, 0.30, 0.34) if thing.colour in ("red", "orange", "purple", "pink") else (0.66, 0.30, 0.22)
    b.polygon((-0.40, 0.0), (-0.40, -0.50), (0.40, -0.50), (0.40, 0.0)), b.fill(c)
    b.polygon((-0.54, -0.47), (0.0, -0.97), (0.54, -0.47)), b.fill(roof, tuple(v * 0.6 for v in roof))
    b.polygon((-0.10, 0.0), (-0.10, -0.30), (0.10, -0.30), (0.10, 0.0)), b.fill(WOOD, DARK_WOOD)
    for x in (-0.26, 0.26):
        b.polygon((x - 0.08, -0.40), (x + 0.08, -0.40), (x + 0.08, -0.22), (x - 0.08, -0.22))
        b.fill((0.75, 0.90, 0.98), (0.35, 0.35, 0.42))


def draw_boat(b, c, light, dark, thing):
    b.polygon((-0.025, -0.2), (-0.025, -1.0), (0.025, -1.0), (0.025, -0.2)), b.fill(DARK_WOOD, False)
    b.curve((0.05, -0.96), ((0.30, -0.80), (0.46, -0.55), (0.48, -0.32)), ((0.40, -0.32), (0.20, -0.32), (0.05, -0.32)))
    b.fill(c)
    b.curve((-0.05, -0.88), ((-0.14, -0.65), (-0.30, -0.45), (-0.42, -0.32)), ((-0.3, -0.32), (-0.2, -0.32), (-0.05, -0.32)))
    b.fill(c)
    b.curve((-0.54, -0.26), ((-0.2, -0.24), (0.2, -0.24), (0.54, -0.26)), ((0.46, -0.06), (0.36, 0.0), (0.28, 0.0)),
            ((0.1, 0.0), (-0.1, 0.0), (-0.28, 0.0)), ((-0.36, 0.0), (-0.46, -0.06), (-0.54, -0.26)))
    b.fill(WOOD, DARK_WOOD)


def draw_flower(b, c, light, dark, thing):
    b.stroke((0.20, 0.52, 0.20), 0.06, (0, 0), (0, -0.6))
    for x, angle in ((0.16, -0.5), (-0.16, 0.5)):
        b.ellipse(x, -0.18, 0.17, 0.075, angle), b.fill(LEAF, (0.15, 0.40, 0.15))
    for k in range(6):
        a = (k + 0.5) * math.pi / 3
        b.ellipse(0.21 * math.cos(a), -0.66 + 0.21 * math.sin(a), 0.17, 0.135, a), b.fill(c)
    heart = (0.62, 0.38, 0.12) if thing.colour in ("yellow", "orange") else (0.99, 0.80, 0.20)
    b.ellipse(0, -0.66, 0.13, 0.13), b.fill(heart, tuple(v * 0.65 for v in heart))


def draw_car(b, c, light, dark, thing):
    b.curve((-0.78, -0.16), ((-0.82, -0.40), (-0.70, -0.44), (-0.50, -0.48)), ((-0.36, -0.82), (-0.30, -0.84), (0.0, -0.84)),
            ((0.26, -0.84), (0.34, -0.78), (0.48, -0.48)), ((0.74, -0.44), (0.82, -0.40), (0.78, -0.16)))
    b.fill(c)
    glass, frame = (0.78, 0.92, 0.98), (0.35, 0.42, 0.50)
    b.polygon((-0.38, -0.48), (-0.26, -0.74), (-0.04, -0.74), (-0.04, -0.48)), b.fill(glass, frame)
    b.polygon((0.05, -0.48), (0.05, -0.74), (0.22, -0.74), (0.35, -0.48)), b.fill(glass, frame)
    b.ellipse(0.72, -0.34, 0.06, 0.055), b.fill((1.0, 0.93, 0.55), False)
    for x in (-0.44, 0.44):
        b.ellipse(x, -0.16, 0.17, 0.17), b.fill(INK, False)
        b.ellipse(x, -0.16, 0.08, 0.08), b.fill((0.78, 0.78, 0.82), False)


def draw_cat(b, c, light, dark, thing):
    cr = b.cr
    for colour, width in ((b.outline, 0.12), (c, 0.085)):
        cr.new_path(), cr.move_to(0.18, -0.08), cr.curve_to(0.52, -0.02, 0.52, -0.30, 0.40, -0.46)
        cr.set_source_rgb(*colour), cr.set_line_width(width), cr.set_line_cap(cairo.LINE_CAP_ROUND), cr.stroke()
    b.curve((-0.27, -0.02), ((-0.30, -0.45), (-0.16, -0.55), (0.0, -0.55)), ((0.16, -0.55), (0.30, -0.45), (0.27, -0.02)))
    b.fill(c)
    for side in (-1, 1):
        b.polygon((side * 0.29, -1.0), (side * 0.29, -0.68), (side * 0.05, -0.84)), b.fill(c)
    b.ellipse(0, -0.67, 0.31, 0.24), b.fill(c)
    b.ellipse(0, -0.18, 0.13, 0.16), b.fill(light, False)
    for x in (-0.12, 0.12):
        b.ellipse(x, -0.70, 0.048, 0.065), b.fill(INK, False)
    b.polygon((-0.045, -0.61), (0.045, -0.61), (0, -0.555))
    b.fill((0.93, 0.45, 0.52) if thing.colour != "pink" else INK, False)


def draw_balloon(b, c, light, dark, thing):
    for side in (-1, 1):
        b.stroke(DARK_WOOD, 0.02, (side * 0.16, 0.14), (side * 0.08, 0.36))
    b.curve((-0.12, 0.22), ((-0.16, 0.08), (-0.40, -0.02), (-0.40, -0.20)), ((-0.40, -0.62), (0.40, -0.62), (0.40, -0.20)),
            ((0.40, -0.02), (0.16, 0.08), (0.12, 0.22)))
    b.fill(c)
    b.curve((-0.04, 0.21), ((-0.20, 0.0), (-0.22, -0.40), (0, -0.505)), ((0.22, -0.40), (0.20, 0.0), (0.04, 0.21)))
    b.fill(light, False)
    b.polygon((-0.12, 0.34), (0.12, 0.34), (0.10, 0.5), (-0.10, 0.5)), b.fill(WOOD, DARK_WOOD)


def draw_mushroom(b, c, light, dark, thing):
    b.curve((-0.14, -0.45), ((-0.08, -0.3), (-0.18, -0.1), (-0.17, 0.0)), ((-0.05, 0.0), (0.05, 0.0), (0.17, 0.0)),
            ((0.18, -0.1), (0.08, -0.3), (0.14, -0.45)))
    b.fill((0.96, 0.91, 0.8), (0.6, 0.5, 0.4))
    b.curve((-0.48, -0.42), ((-0.48, -1.1), (0.48, -1.1), (0.48, -0.42)))
    b.fill(c)
    for x, y, radius in ((-0.24, -0.58, 0.085), (0.06, -0.76, 0.10), (0.28, -0.55, 0.075)):
        b.ellipse(x, y, radius, radius), b.fill((1, 1, 1) if thing.colour != "white" else (0.85, 0.35, 0.35), False)


def draw_star(b, c, light, dark, thing):
    points = []
    for k in range(10):
        radius, a = (0.5 if k % 2 == 0 else 0.23), -math.pi / 2 + k * math.pi / 5
        points.append((radius * math.cos(a), radius * math.sin(a)))
    b.polygon(*points), b.fill(c)


def draw_sun(b, c, light, dark, thing):
    for k in range(10):
        a = k * math.pi / 5
        b.polygon(*((r * math.cos(a + da), r * math.sin(a + da)) for r, da in ((0.34, -0.17), (0.53, 0), (0.34, 0.17))))
        b.fill(c)
    b.ellipse(0, 0, 0.33, 0.33), b.fill(c)
    b.ellipse(-0.08, -0.08, 0.16, 0.16), b.fill(light, False)


def draw_moon(b, c, light, dark, thing):
    b.cr.new_path()
    b.cr.arc(0, 0, 0.46, math.radians(50), math.radians(310))
    b.cr.arc_negative(0.22, 0, 0.36, math.radians(-100), math.radians(100))
    b.cr.close_path()
    b.fill(c)


DRAW = {name[5:]: function for name, function in list(globals().items()) if name.startswith("draw_")}


def paint_branch(cr, thing):
    y = thing.y + 0.40 * thing.height_px
    b = Brush(cr, DARK_WOOD, 1.5)
    b.curve((0, y + 2), ((40, y - 3), (80, y + 4), (118, y - 4)), ((118, y - 3), (118, y - 2), (118, y - 1)),
            ((80, y + 10), (40, y + 5), (0, y + 11)))
    b.fill(WOOD)
    for x, dy, angle in ((20, -5, -0.6), (14, 13, 0.7), (106, -7, -0.9), (112, 6, 0.5), (36, 12, 1.0)):
        b.ellipse(x, y + dy, 8, 4, angle), b.fill(LEAF, (0.16, 0.42, 0.16))


def paint_thing(cr, thing):
    c = COLOURS[thing.colour]
    light, dark, outline = mix(c, (1, 1, 1), 0.38), tuple(v * 0.74 for v in c), tuple(v * 0.58 for v in c)
    if thing.colour == "white":
        light, dark, outline = (1, 1, 1), (0.80, 0.82, 0.87), (0.55, 0.58, 0.66)
    if thing.on_branch:
        paint_branch(cr, thing)
    cr.save()
    cr.translate(thing.x, thing.y), cr.scale(thing.height_px, thing.height_px)
    cr.set_line_join(cairo.LINE_JOIN_ROUND)
    DRAW[thing.kind](Brush(cr, outline, 1.8 / thing.height_px), c, light, dark, thing)
    cr.restore()


def paint_hill(cr, colour, y, amplitude, length, phase):
    cr.set_source_rgb(*colour)
    cr.move_to(0, CANVAS_PX)
    for x in range(0, CANVAS_PX + 4, 4):
        cr.line_to(x, y + amplitude * math.sin(x / length + phase))
    cr.line_to(CANVAS_PX, CANVAS_PX), cr.close_path(), cr.fill()


def paint_sky(cr, scene):
    gradient = cairo.LinearGradient(0, 0, 0, HORIZON + 4)
    top, bottom = SKY[scene.time]
    gradient.add_color_stop_rgb(0, *top), gradient.add_color_stop_rgb(1, *bottom)
    if scene.time == "sunset":
        gradient.add_color_stop_rgb(0.55, 0.96, 0.48, 0.38)
    cr.set_source(gradient), cr.paint()
    if scene.time == "night":
        cr.set_source_rgb(0.95, 0.95, 0.80)
        for x, y in STARS:
            cr.arc(x, y, 1.7, 0, 7), cr.fill()
    elif scene.time == "day":
        cr.set_source_rgb(1, 1, 1)
        for x, y, width in scene.clouds:
            for dx, dy, radius in ((-0.5, 0, 0.28), (0, -0.16, 0.4), (0.5, 0, 0.3), (0.15, 0.06, 0.3), (-0.2, 0.06, 0.3)):
                cr.arc(x + dx * width, y + dy * width, radius * width, 0, 7), cr.fill()


def paint_mountains(cr, scene):
    for x, height, width, colour in ((22, 52, 44, (0.50, 0.53, 0.66)), (106, 56, 46, (0.50, 0.53, 0.66)),
                                     (64, 64, 46, (0.40, 0.43, 0.58))):
        x += 4 * math.sin(scene.phase + x)
        top = HORIZON + 2 - height
        Brush(cr, (), 1).polygon((x, top), (x - width, HORIZON + 4), (x + width, HORIZON + 4))
        cr.set_source_rgb(*lit(colour, scene.time)), cr.fill()
        w, h = 0.3 * width, 0.3 * height
        Brush(cr, (), 1).polygon((x, top), (x - w, top + h), (x - 0.35 * w, top + 0.8 * h), (x, top + 1.15 * h),
                                 (x + 0.4 * w, top + 0.8 * h), (x + w, top + h))
        cr.set_source_rgb(*lit((0.97, 0.98, 1.0), scene.time)), cr.fill()


def paint_forest(cr, scene):
    rows = ((HORIZON + 2, 38, (0.13, 0.42, 0.27)), (HORIZON + 8, 28, (0.18, 0.52, 0.32)))
    for row, (y, height, colour) in enumerate(rows):
        for i in range(-1, 8):
            x = i * 20 + row * 10 + 4 * math.sin(scene.phase)
            Brush(cr, (), 1).polygon((x, y - height), (x - 12, y + 4), (x + 12, y + 4))
            cr.set_source_rgb(*lit(colour, scene.time)), cr.fill()


def paint_sea(cr, scene):
    for colour, y in (((0.13, 0.46, 0.74), HORIZON - 6), ((0.18, 0.56, 0.82), HORIZON + 12)):
        cr.set_source_rgb(*lit(colour, scene.time)), cr.rectangle(0, y, CANVAS_PX, CANVAS_PX), cr.fill()
    cr.set_source_rgb(*lit((0.58, 0.84, 0.96), scene.time)), cr.set_line_width(2)
    for x, y in ((14, 89), (112, 89), (30, 104), (96, 106), (12, 119), (64, 122), (116, 120)):
        x += 3 * scene.phase
        cr.move_to(x - 9, y), cr.curve_to(x - 4, y - 4, x + 4, y + 4, x + 9, y), cr.stroke()


def paint_background(cr, scene):
    paint_sky(cr, scene)
    if scene.place == "sea":
        paint_sea(cr, scene)
        return
    {"mountains": paint_mountains, "forest": paint_forest}.get(scene.place, lambda *_: None)(cr, scene)
    far, near = GROUND[scene.place]
    paint_hill(cr, lit(far, scene.time), HORIZON - 2, 4, 24, scene.phase)
    paint_hill(cr, lit(near, scene.time), HORIZON + 11, 3.5, 30, scene.phase + 2)


def paint_island(cr, thing, time):
    cr.save()
    cr.translate(thing.x, thing.y + 2), cr.scale(thing.height_px * 0.74, 8)
    cr.arc(0, 0, 1, 0, 7)
    cr.restore()
    cr.set_source_rgb(*lit((0.95, 0.85, 0.58), time)), cr.fill()


def render(scene, size_px=CANVAS_PX):
    """-> uint8 [size_px, size_px, 3]"""
    surface = cairo.ImageSurface(cairo.FORMAT_RGB24, size_px, size_px)
    cr = cairo.Context(surface)
    cr.scale(size_px / CANVAS_PX, size_px / CANVAS_PX)
    paint_background(cr, scene)
    for thing in sorted(scene.things, key=lambda t: t.kind not in IN_THE_SKY):
        if scene.place == "sea" and thing.kind not in IN_THE_SKY and thing.kind != "boat":
            paint_island(cr, thing, scene.time)
        paint_thing(cr, thing)
    surface.flush()
    return np.ndarray((size_px, size_px, 4), np.uint8, surface.get_data())[:, :, 2::-1].copy()


def save_grid(images, path, columns):
    """images: list of uint8 [h, w, 3] of one size -> PNG"""
    h, w = images[0].shape[:2]
    rows = -(-len(images) // columns)
    surface = cairo.ImageSurface(cairo.FORMAT_RGB24, columns * w, rows * h)
    pixels = np.ndarray((rows * h, surface.get_stride() // 4, 4), np.uint8, surface.get_data())
    for i, image in enumerate(images):
        r, c = divmod(i, columns)
        pixels[r * h : (r + 1) * h, c * w : (c + 1) * w, 2::-1] = image
    surface.mark_dirty()
    surface.write_to_png(path)
