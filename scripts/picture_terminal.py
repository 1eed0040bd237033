"""Draws what a command printed as an SVG: picture_terminal.py COMMAND OUTPUT SVG. Bold is the only look that it knows."""

import re
import sys
from html import escape
from pathlib import Path

# The width of a letter and the height of a line, at 13 pixels. Every line says how wide it is, so that columns stay below each
# other in any font.
LETTER, LINE, MARGIN = 7.8, 19, 18
BOLD = re.compile(r"\x1b\[1m(.*?)\x1b\[0m")
SGR = re.compile(r"\x1b\[[0-9;]*m")


def shown(output):
    """The table of the report split, and what follows the tables."""
    parts = [part.splitlines() for part in output.strip("\n").split("\n\n")]
    table, choice = parts[0], parts[-1]
    if not table[0].startswith("accuracy on test") or not choice[0].startswith("›"):
        raise SystemExit(f"the output has other parts than before:\n{output}")
    return [*table[:-1], "", *choice]


def pieces(line):
    """The line as text that is bold and text that is not."""
    for place, piece in enumerate(BOLD.split(line)):
        text = escape(SGR.sub("", piece))
        if text:
            yield f'<tspan class="b">{text}</tspan>' if place % 2 else text


def draw(command, lines):
    rows = [("p", f"$ {command}"), *(("c" if line.startswith("›") else "t", line) for line in lines)]
    width = max(len(SGR.sub("", line)) for _, line in rows) * LETTER + 2 * MARGIN
    height = len(rows) * LINE + 2 * MARGIN
    texts = []
    for place, (look, line) in enumerate(rows):
        letters = len(SGR.sub("", line))
        if letters:
            y = MARGIN + place * LINE + 13
            texts.append(
                f'<text x="{MARGIN}" y="{y}" class="{look}" textLength="{letters * LETTER:.1f}" xml:space="preserve">'
                f'{"".join(pieces(line))}</text>'
            )
    body = "\n".join(texts)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}">
<title>What bowline run prints: accuracies of each method on six tasks, and the choice</title>
<style>
text {{ font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #d7dce2; white-space: pre; }}
.p {{ fill: #8fd18f; }} .c {{ fill: #7fc4f5; }} .b {{ font-weight: bold; fill: #fff; }}
</style>
<rect width="100%" height="100%" rx="8" fill="#171b21"/>
{body}
</svg>
"""


def main():
    command, output, picture = sys.argv[1:]
    Path(picture).write_text(draw(command, shown(Path(output).read_text())))


if __name__ == "__main__":
    main()
