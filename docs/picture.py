"""Makes docs/pullcheck.svg, the README's picture: what `kubectl pullcheck` prints for the saved evidence of a real failure.

    python docs/picture.py          (in the environment that `make venv` makes)

Terminal colours become classes of text, which the picture's own style sheet paints for light and for dark pages.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "pullcheck.svg"
COMMAND = ["-f", "examples/domain1-evidence.json", "--offline", "--color=always"]
COLUMNS, LINE, CHAR, MARGIN = 112, 17.0, 7.83, 14.0  # pixels, at a size of 13
CLASSES = {"31": "bad", "32": "ok", "33": "warn", "1": "strong", "2": "dim"}
STYLE = """\
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #1f2328; white-space: pre }
.page { fill: #ffffff; stroke: #d1d9e0 } .bad { fill: #c5221f } .ok { fill: #1a7f37 } .warn { fill: #9a6700 }
.dim { fill: #59636e } .strong { font-weight: bold }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .page { fill: #0d1117; stroke: #3d444d } .bad { fill: #ff7b72 } .ok { fill: #3fb950 }
.warn { fill: #d29922 } .dim { fill: #9198a1 }
}"""


def output() -> str:
    """What the plugin prints, with the codes of its colours."""
    program = "import sys; from pullcheck.main import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", program, *COMMAND]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, env={"LANG": "C.UTF-8", "PYTHONPATH": "plugins"})
    if done.returncode != 1:
        raise SystemExit(f"the demo failed: {done.stderr}")
    return done.stdout


def pieces(line: str) -> Iterator[tuple[str, str]]:
    """(class, text) for each run of one colour; a line that is too long ends in `…`."""
    left, name = COLUMNS, ""
    for part in re.split(r"(\033\[[0-9]*m)", line):
        code = re.fullmatch(r"\033\[([0-9]*)m", part)
        if code:
            name = CLASSES.get(code[1], "")
        elif part and left:
            yield name, part if len(part) <= left else part[: left - 1] + "…"
            left = max(left - len(part), 0)


def picture(text: str) -> str:
    lines = ["$ kubectl pullcheck domain1", *text.rstrip("\n").split("\n")]
    width, height = COLUMNS * CHAR + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN
    made = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" role="img">',
        "<title>kubectl pullcheck explains a WebLogic Domain with three faults</title>",
        f"<style>\n{STYLE}\n</style>",
        f'<rect class="page" x="0.5" y="0.5" width="{width - 1:.0f}" height="{height - 1:.0f}" rx="8"/>',
    ]
    for number, line in enumerate(lines):
        spans = "".join(
            f'<tspan class="{name}">{escape(part)}</tspan>' if name else escape(part) for name, part in pieces(line)
        )
        if spans:
            made.append(
                f'<text x="{MARGIN:.0f}" y="{MARGIN + (number + 0.75) * LINE:.1f}" xml:space="preserve">{spans}</text>'
            )
    return "\n".join([*made, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(picture(output()), encoding="utf-8")
