"""The options that a help text describes. Imports nothing that takes time: completion reads them at every TAB."""

from __future__ import annotations


class Flag:
    """One option: its names, what the help calls its value (empty: it takes none), whether it can be given again, and what
    the help says of it."""

    __slots__ = ("description", "names", "repeatable", "value")

    def __init__(self, names: tuple[str, ...], value: str, repeatable: bool, description: str) -> None:
        self.names = names
        self.value = value
        self.repeatable = repeatable
        self.description = description

    @property
    def takes_value(self) -> bool:
        return self.value != ""

    @property
    def key(self) -> str:
        """The name docopt uses: the long one if there is one."""
        return next((name for name in self.names if name.startswith("--")), self.names[0])


def read_flags(help_text: str) -> list[Flag]:
    """The options that the help text describes, found by docopt's rule: a line that starts with a dash. Repeatable is what
    the usage writes `[--opt=X]...` or whose description says that it can be repeated."""
    entries: list[list[str]] = []
    for line in map(str.strip, help_text.splitlines()):
        if line.startswith("-") and line[1:2].strip():
            entries.append(list(line.partition("  ")[::2]))
        elif not line:
            entries.append(["", ""])
        elif entries:
            entries[-1][1] += " " + line
    groups = [part.rpartition("[")[2] for part in help_text.split("]...")[:-1]]
    repeated = {group.replace("=", " ").split()[0] for group in groups if group.startswith("-")}
    flags = []
    for spec, description in entries:
        tokens = spec.replace(",", " ").replace("=", " ").split()
        names = tuple(token for token in tokens if token.startswith("-"))
        if names:
            value = next((token for token in tokens if token not in names), "")
            many = bool(repeated.intersection(names)) or "can be repeated" in description
            flags.append(Flag(names, value, many, description.strip()))
    return flags
