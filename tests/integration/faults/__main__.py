"""Prints docs/faults.md: tries every command with every fault at every call."""

import sys

from .table import every_cell, page, try_all


def main() -> int:
    found = try_all(every_cell(), some=False)
    wrong = [text for one in found for text in one.faults]
    for text in wrong:
        print(text, file=sys.stderr)
    if not wrong:
        sys.stdout.write(page(found))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
