#!/usr/bin/env python3
"""Where the time of a UNet step goes, as an SVG picture: a bar for each result of generate_bench, in parts by kind of operation.

    tools/plot_profile.py OUT.svg "NAME=result.json" ["NAME=result.json" ...]

The line in each bar is that result's limit: the time of direct f32 arithmetic at the machine's matmul rate.
"""

import json
import pathlib
import sys
from xml.sax.saxutils import escape

COLORS = {"linear": "#4477aa", "conv3x3": "#ee6677", "attention": "#228833", "conv1x1": "#ccbb44",
          "normalization": "#66ccee", "movement": "#aa3377", "elementwise": "#bbbbbb"}
LEFT, WIDTH, BAR, GAP, TOP = 150, 560, 34, 22, 46
SMALLEST_LABEL = 0.035  # of the picture's width
TOTAL_WIDTH = 56  # of a bar's seconds


def text(x, y, content, anchor="start", size=13, color="#222222"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{color}">'
            f'{escape(content)}</text>')


def bar(name, result, y, scale):
    families = sorted(result["unet_families"].items(), key=lambda item: -item[1]["seconds"])
    parts = [text(LEFT - 8, y + BAR * 0.62, name, "end")]
    x = float(LEFT)
    for family, values in families:
        width = values["seconds"] * scale
        parts.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{COLORS[family]}"/>')
        if width > SMALLEST_LABEL * WIDTH:
            parts.append(text(x + width / 2, y + BAR * 0.62, f'{values["seconds"]:.2f}', "middle", 12, "#ffffff"))
        x += width
    limit = LEFT + result["unet_step"]["limit_seconds"] * scale
    parts.append(f'<line x1="{limit:.1f}" y1="{y - 4}" x2="{limit:.1f}" y2="{y + BAR + 4}" stroke="#000000" stroke-width="2"/>')
    seconds_at = x if x + TOTAL_WIDTH < limit or x > limit else limit
    parts.append(text(seconds_at + 6, y + BAR * 0.62, f'{result["unet_step"]["seconds"]:.2f} s'))
    return parts


def legend(results):
    shown = [family for family in COLORS if any(family in result["unet_families"] for _, result in results)]
    parts, x = [], float(LEFT)
    for family in shown:
        parts.append(f'<rect x="{x:.1f}" y="14" width="12" height="12" fill="{COLORS[family]}"/>')
        parts.append(text(x + 16, 25, family, size=12))
        x += 26 + 7 * len(family)
    return parts


def main():
    if len(sys.argv) < 3 or any("=" not in argument for argument in sys.argv[2:]):
        sys.exit(__doc__)
    results = []
    for argument in sys.argv[2:]:
        name, _, path = argument.partition("=")
        results.append((name, json.loads(pathlib.Path(path).read_text(encoding="utf-8"))))
    longest = max(max(result["unet_step"]["seconds"], result["unet_step"]["limit_seconds"]) for _, result in results)
    scale = WIDTH / longest
    height = TOP + len(results) * (BAR + GAP)
    parts = legend(results)
    for index, (name, result) in enumerate(results):
        parts += bar(name, result, TOP + index * (BAR + GAP), scale)
    svg = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 90}" height="{height}" '
           f'font-family="sans-serif"><rect width="100%" height="100%" fill="#ffffff"/>{"".join(parts)}</svg>\n')
    pathlib.Path(sys.argv[1]).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
