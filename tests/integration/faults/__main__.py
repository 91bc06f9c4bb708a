"""Prints docs/faults.md: tries every command with every fault, at most calls, or at `all`."""

import sys

from .table import MOST, every_cell, page, try_all


def main() -> int:
    which = sys.argv[1] if len(sys.argv) > 1 else MOST
    found = try_all(every_cell(), which)
    wrong = [text for one in found for text in one.faults]
    for text in wrong:
        print(text, file=sys.stderr)
    sys.stdout.write(page(found))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
