#!/usr/bin/env python3
"""Draws a run of oregano, as a terminal shows it, from a snapshot of the tests:

    python3 docs/picture.py tests/snapshots/first-apply.txt > docs/run.svg

A test fails if docs/run.svg is not what this prints. Needs the standard library only.
"""

import re
import sys
from xml.sax.saxutils import escape

FONT_SIZE = 12
# The advance of one character in most monospace fonts. Every line states its length, so that another font keeps it.
ADVANCE = 7.2
LINE_HEIGHT = 18
PADDING = 16

# The class of a part of a line. The first pattern that matches at a position wins; the rest is plain.
PARTS = [
    ("command", r"^\$ .*"),
    ("changed", r"^warning:"),
    ("failed", r"^error:"),
    ("hint", r"^hint:"),
    ("good", r"(?<=: )(?:created|proved|unchanged)(?= \(|$)"),
    ("changed", r"(?<=: )updated(?= \(|$)"),
    ("failed", r"(?<= : )[a-z][a-z -]*$"),
    ("good", r"\bok=[1-9]\d*"),
    ("changed", r"\bchanged=[1-9]\d*"),
    ("failed", r"\b(?:unreachable|failed)=[1-9]\d*"),
]
PATTERN = re.compile("|".join(f"(?P<p{at}>{pattern})" for at, (_, pattern) in enumerate(PARTS)))

# Every text has a contrast of at least 4.5 to 1 with its background, in both schemes.
STYLE = """\
    .page { fill: #f6f8fa; stroke: #d1d9e0 }
    text { font: FONT_SIZEpx ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace; fill: #1f2328 }
    .command { font-weight: bold }
    .good { fill: #116329 }
    .changed { fill: #7d4e00 }
    .failed { fill: #a40e26 }
    .hint { fill: #0550ae }
    @media (prefers-color-scheme: dark) {
      .page { fill: #161b22; stroke: #3d444d }
      text { fill: #e6edf3 }
      .good { fill: #7ee787 }
      .changed { fill: #e3b341 }
      .failed { fill: #ff7b72 }
      .hint { fill: #79c0ff }
    }
"""


def parts(line):
    """The markup of a line."""
    at, markup = 0, ""
    for found in PATTERN.finditer(line):
        name = PARTS[int(found.lastgroup[1:])][0]
        markup += escape(line[at:found.start()]) + f'<tspan class="{name}">{escape(found.group())}</tspan>'
        at = found.end()
    return markup + escape(line[at:])


def picture(transcript):
    """The SVG of a transcript."""
    lines = transcript.splitlines()
    width = round(max(map(len, lines)) * ADVANCE + 2 * PADDING)
    height = len(lines) * LINE_HEIGHT + 2 * PADDING
    command = escape(lines[0].removeprefix("$ "))
    svg = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-labelledby="title">',
        f'  <title id="title">A run of {command} in a terminal</title>',
        f"  <style>\n{STYLE.replace('FONT_SIZE', str(FONT_SIZE))}  </style>",
        f'  <rect class="page" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="6"/>',
    ]
    for number, line in enumerate(lines):
        if line:
            y = PADDING + number * LINE_HEIGHT + FONT_SIZE
            length = round(len(line) * ADVANCE, 1)
            svg.append(f'  <text x="{PADDING}" y="{y}" textLength="{length}" xml:space="preserve">{parts(line)}</text>')
    return "\n".join([*svg, "</svg>", ""])


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: picture.py SNAPSHOT > PICTURE.svg")
    with open(sys.argv[1], encoding="utf-8") as file:
        # Bytes, so that the locale does not matter.
        sys.stdout.buffer.write(picture(file.read()).encode())


if __name__ == "__main__":
    main()
