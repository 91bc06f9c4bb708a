"""kubectl's habits on top of docopt: flags, the shared connection options, and failures as exit statuses.

docopt-ng reads the help text and matches the words. Everything kubectl's own flag parser (pflag) does otherwise is done
here before docopt sees an argument, which is why docopt's warnings, abbreviations and "duplicate" errors never show.
"""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, TextIO

from pullcore.errors import CommandError, UsageError, one_line
from pullcore.flags import Flag, read_flags
from pullcore.signals import as_interrupts, within
from pullcore.usage import CONNECTION_OPTIONS as CONNECTION_OPTIONS

SIGNALLED = 128  # and the number of the signal, as shells have it
PIPE_CLOSED = 141
LAST_WORDS = 1.0  # seconds that these may take after an interrupt
DEBUG = "PULLKIT_DEBUG"
LOG_REQUESTS = 6  # kubectl's -v level for one line per request

# Go's strconv.ParseBool, which is what pflag accepts after `--flag=`.
_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_UNWRITABLE = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
)  # of output: files are looked after where they are written
_LONGEST = 366 * 86400.0  # longer waits overflow the clocks underneath


@dataclass(frozen=True)
class Connection:
    """How to reach the cluster, as given on the command line; an option that was not given is empty."""

    kubeconfig: Optional[str] = None
    context: Optional[str] = None
    cluster: Optional[str] = None
    user: Optional[str] = None
    namespace: Optional[str] = None
    server: Optional[str] = None
    token: Optional[str] = field(default=None, repr=False)
    as_user: Optional[str] = None
    as_groups: tuple[str, ...] = ()
    as_uid: Optional[str] = None
    as_user_extra: tuple[tuple[str, str], ...] = ()
    request_timeout: Optional[float] = None
    """Seconds; 0 means without limit."""
    tls_server_name: Optional[str] = None
    insecure_skip_tls_verify: bool = False
    certificate_authority: Optional[str] = None
    client_certificate: Optional[str] = None
    client_key: Optional[str] = None
    verbosity: int = 0

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> Connection:
        """The connection out of what `parse` returned; UsageError for values that are none."""
        return cls(
            kubeconfig=arguments.get("--kubeconfig") or None,
            context=arguments.get("--context") or None,
            cluster=arguments.get("--cluster") or None,
            user=arguments.get("--user") or None,
            namespace=arguments.get("--namespace") or None,
            server=arguments.get("--server") or None,
            token=arguments.get("--token") or None,
            as_user=arguments.get("--as") or None,
            as_groups=tuple(arguments.get("--as-group") or ()),
            as_uid=arguments.get("--as-uid") or None,
            as_user_extra=tuple(_user_extra(given) for given in arguments.get("--as-user-extra") or ()),
            request_timeout=_request_timeout(arguments.get("--request-timeout")),
            tls_server_name=arguments.get("--tls-server-name") or None,
            insecure_skip_tls_verify=bool(arguments.get("--insecure-skip-tls-verify")),
            certificate_authority=arguments.get("--certificate-authority") or None,
            client_certificate=arguments.get("--client-certificate") or None,
            client_key=arguments.get("--client-key") or None,
            verbosity=_verbosity(arguments.get("--v")),
        )


def parse(
    help_text: str, argv: Sequence[str], plugin: str, *, optional: Optional[Mapping[str, str]] = None
) -> dict[str, Any]:
    """`argv` (without the program's name) matched with `help_text`, as docopt's dictionary keyed by long names.

    An option without its value is None (False when it takes none), a repeatable one always a list. Repeatable is what
    the usage writes `[--opt=X]...` or whose description says that it can be repeated; of any other option the last one
    wins. `optional` names options that may stand without a value and what they mean then (`{"--dry-run": "client"}`).
    Raises UsageError in kubectl's words.
    """
    import docopt

    see = f"See '{shown_as(plugin)} --help' for usage."
    try:
        flags = read_flags(help_text)
        words, given = _split(argv, flags, optional or {})
    except UsageError as error:
        raise UsageError(error.text, see=see) from None
    options = [_canonical(flag, given[flag.key][-1]) for flag in flags if flag.key in given]
    options = [option for option in options if option]

    def match(some: Sequence[str]) -> Optional[dict[str, Any]]:
        try:
            return dict(docopt.docopt(help_text, [plugin, *some, *options], default_help=False))
        except docopt.DocoptExit:
            return None

    matched = match(words)
    if matched is None:
        raise UsageError(_misfit(help_text, words, plugin, match), see=see)
    for flag in flags:
        if flag.repeatable:
            matched[flag.key] = given.get(flag.key, [])
    matched.pop(plugin, None)
    return {key: _unmarked(value) for key, value in matched.items()}


def verb_of(argv: Sequence[str], texts: Mapping[str, str], plugin: str, optional: Mapping[str, str]) -> str:
    """The verb on a command line; options of any verb may stand before it. texts: the help of each verb, with all options.
    Raises UsageError."""
    import difflib

    see = f"See '{shown_as(plugin)} --help' for usage."
    flags = {flag.names: flag for text in texts.values() for flag in read_flags(text)}
    try:
        words, _ = _split(argv, list(flags.values()), optional)
    except UsageError as error:
        raise UsageError(error.text, see=see) from None
    if not words:
        raise UsageError(f"a command is needed: {', '.join(texts)}", see=see)
    if words[0] not in texts:
        close = difflib.get_close_matches(words[0], texts, 1)
        meant = f"; did you mean {close[0]}?" if close else f" (there are {', '.join(texts)})"
        raise UsageError(f'unknown command "{one_line(words[0], 60)}" for "{shown_as(plugin)}"{meant}', see=see)
    return words[0]


def shown_as(plugin: str) -> str:
    """The name to show: `kubectl pullcheck` when it was started as kubectl-pullcheck, else the file's own name."""
    from pullcore import launch

    return launch.shown_as(plugin)


def pasteable(connection: Connection) -> list[str]:
    """Shell-quoted words that make a command for pasting act on the cluster this command line named.

    Only what was given here: what comes from the environment is there again when the command is pasted. Never a token.
    """
    import shlex

    words: list[str] = []
    for option, value in (
        ("-n", connection.namespace),
        ("--context", connection.context),
        ("--cluster", connection.cluster),
        ("--user", connection.user),
        ("--server", None if connection.server and "@" in connection.server else connection.server),
        ("--kubeconfig", connection.kubeconfig),
    ):
        if value and value.startswith("-"):
            words.append(shlex.quote(f"{'--namespace' if option == '-n' else option}={value}"))
        elif value:
            words += [option, shlex.quote(value)]
    return words


def parse_duration(text: str) -> float:
    """Seconds in a duration as kubectl writes it: `0`, `30`, `30s`, `1m30s`, `1.5h`. ValueError for anything else."""
    if re.fullmatch(r"[0-9]+", text):
        return min(float(text), _LONGEST)
    parts = re.findall(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"not a duration: {one_line(text, 40)}")
    return min(sum(float(number) * _SECONDS[unit] for number, unit in parts), _LONGEST)


def parse_count(option: str, text: str, most: int) -> int:
    """A whole number from 1 to `most`. Raises UsageError that names the option."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= most:
        raise UsageError(f'invalid value "{one_line(text, 60)}" for {option}: a number from 1 to {most}')
    return int(text[:9])


def parse_list(option: str, text: Optional[str]) -> tuple[str, ...]:
    """Names with commas between them, each once; none without the option. Raises UsageError for an option without names."""
    names = tuple(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))
    if text is not None and not names:
        raise UsageError(f"{option} needs names, with commas between them")
    return names


def run(function: Callable[[], int], plugin: str, stdout: TextIO, stderr: TextIO) -> int:
    """Runs a plugin and turns whatever stops it into lines on `stderr` and an exit status.

    A CommandError is its own text; anything unforeseen is one line, with the traceback only under PULLKIT_DEBUG=1.
    Failures are 2 for pullcheck, which needs 1 for "blocked", and 1 for the others; an interrupt is 130, SIGTERM 143, SIGHUP
    129; a closed pipe is quiet.
    """
    failure = 2 if plugin == "pullcheck" else 1
    status, message, number = failure, "", 0
    with as_interrupts() as told:
        try:
            try:
                status = function()
                stdout.flush()
            except BrokenPipeError:
                status = PIPE_CLOSED
            except CommandError as error:
                status, message = failure if error.exit_status is None else error.exit_status, str(error)
            except Exception as error:  # noqa: BLE001 - the one place where nothing may get past
                # Python 3.11 and older wrap an interrupt that comes while a class is made.
                status, message = failure, "" if told() else _unforeseen(error, stderr)
            _write_last(message, stdout, stderr)
        except KeyboardInterrupt as interrupt:
            number = signal.SIGINT
            try:
                with within(LAST_WORDS):
                    _write_last(str(interrupt), stdout, stderr)
            except KeyboardInterrupt:  # whoever reads does not read on
                _discard(stdout)
                _discard(stderr)
        number = told() or number
    return SIGNALLED + number if number else status


def _unforeseen(error: Exception, stderr: TextIO) -> str:
    if os.environ.get(DEBUG) == "1":
        import traceback

        traceback.print_exc(file=stderr)
    if isinstance(error, OSError) and error.errno in _UNWRITABLE:
        return f"error: can't write: {os.strerror(error.errno).lower()}"
    return f"error: internal: {one_line(f'{type(error).__name__}: {error}')}"


def _write_last(message: str, stdout: TextIO, stderr: TextIO) -> None:
    """What was found so far comes before the reason for stopping. Where it can't be written, nobody complains at the end."""
    try:
        stdout.flush()
    except (OSError, ValueError):
        _discard(stdout)
    try:
        stderr.write(f"{message}\n" if message else "")
        stderr.flush()
    except (OSError, ValueError):
        _discard(stderr)


def _discard(stream: TextIO) -> None:
    """Points the stream at nothing, so that the interpreter's last flush does not complain."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):  # not a real file
        return


def _split(
    argv: Sequence[str], flags: Sequence[Flag], optional: Mapping[str, str]
) -> tuple[list[str], dict[str, list[str]]]:
    """The words of `argv`, and for each option all values given; pflag's rules (Parse, parseLongArg, parseShortArg)."""
    by_name = {name: flag for flag in flags for name in flag.names}
    words: list[str] = []
    given: dict[str, list[str]] = {}
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            words += ["\0" + literal for literal in rest]  # marked: never an option or a verb for docopt
            break
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            flag = by_name.get(name)
            if flag is None:
                raise UsageError(f"unknown flag: {one_line(name, 60)}{_similar(name, by_name)}")
            if equals:
                pass
            elif not flag.takes_value:
                value = "true"
            elif flag.key in optional:
                value = optional[flag.key]
            elif rest:
                value = rest.pop(0)
            else:
                raise UsageError(f"flag needs an argument: {name}")
            given.setdefault(flag.key, []).append(_checked(flag, value))
        elif word.startswith("-") and word != "-":
            _split_shorts(word, rest, by_name, optional, given)
        else:
            words.append(word)
    return words, given


def _split_shorts(
    word: str, rest: list[str], by_name: Mapping[str, Flag], optional: Mapping[str, str], given: dict[str, list[str]]
) -> None:
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        flag = by_name.get("-" + letter)
        if flag is None:
            raise UsageError(f"unknown shorthand flag: '{one_line(letter)}' in {one_line(word, 60)}")
        if letters.startswith("="):
            value, letters = letters[1:], ""
        elif not flag.takes_value:
            value = "true"
        elif flag.key in optional:
            value = optional[flag.key]
        elif letters:
            value, letters = letters, ""
        elif rest:
            value = rest.pop(0)
        else:
            raise UsageError(f"flag needs an argument: '{letter}' in {one_line(word, 60)}")
        given.setdefault(flag.key, []).append(_checked(flag, value))


def _checked(flag: Flag, value: str) -> str:
    if not flag.takes_value and value not in _BOOLEANS:
        names = ", ".join(flag.names)
        raise UsageError(f'invalid argument "{one_line(value, 60)}" for "{names}" flag: must be true or false')
    return value


def _canonical(flag: Flag, value: str) -> str:
    """One option as docopt cannot misread it; nothing for a boolean that was switched off."""
    if not flag.takes_value:
        return flag.key if _BOOLEANS[value] else ""
    return f"{flag.key}={value}" if flag.key.startswith("--") else flag.key + value


def _similar(name: str, names: Mapping[str, Flag]) -> str:
    import difflib

    known = [one for one in names if one.startswith("--")]
    close = [one for one in known if one.startswith(name)] or difflib.get_close_matches(name, known, 1, 0.7)
    return f" (did you mean {close[0]}?)" if close else ""


def _misfit(
    help_text: str, words: Sequence[str], plugin: str, match: Callable[[Sequence[str]], Optional[dict[str, Any]]]
) -> str:
    """Why no usage line takes these words."""
    import difflib

    shapes = [line.strip() for line in re.findall(rf"^.*\bkubectl {plugin}\b.*$", _usage(help_text), re.M)]
    shapes = [re.sub(r"(?i)^usage:\s*", "", shape) for shape in shapes]
    verbs = sorted({found[1] for shape in shapes if (found := re.match(rf"kubectl {plugin} ([a-z][\w-]*)", shape))})
    shown = [one_line(word.lstrip("\0"), 60) for word in words]
    if verbs and not words:
        return f"a command is needed: {', '.join(verbs)}"
    if verbs and words[0] not in verbs:
        close = difflib.get_close_matches(words[0], verbs, 1)
        meant = f"; did you mean {close[0]}?" if close else f" (there are {', '.join(verbs)})"
        return f'unknown command "{shown[0]}" for "{shown_as(plugin)}"{meant}'
    for count in range(len(words) - 1, -1, -1):
        if match(words[:count]) is not None:
            return f'unexpected argument "{shown[count]}"'
    fitting = [shape for shape in shapes if not words or re.match(rf"kubectl {plugin} {re.escape(words[0])}\b", shape)]
    return f"arguments are missing: {' or '.join(fitting or shapes)}"


def _usage(help_text: str) -> str:
    found = re.search(r"(?im)^.*usage:.*\n(?:[ \t].*(?:\n|\Z))*", help_text)
    return found.group() if found else ""


def _unmarked(value: Any) -> Any:
    if isinstance(value, list):
        return [_unmarked(item) for item in value]
    return value[1:] if isinstance(value, str) and value.startswith("\0") else value


def _request_timeout(text: Optional[str]) -> Optional[float]:
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError:  # the text is kubectl's (clientcmd.ParseTimeout)
        raise UsageError(
            "Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a "
            "corresponding time unit (e.g. 1s | 2m | 3h)"
        ) from None


def _user_extra(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise UsageError(f'invalid argument "{one_line(text, 60)}" for "--as-user-extra" flag: must be KEY=VALUE')
    return key, value


def _verbosity(text: Optional[str]) -> int:
    if text is None:
        return 0
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise UsageError(f'invalid argument "{one_line(text, 60)}" for "-v, --v" flag: must be a number')
    return int(text)
