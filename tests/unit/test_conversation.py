"""What is said and asked, and what happens where nobody can be asked."""

from __future__ import annotations

import getpass
import io

import pytest
from pullcore.conversation import Conversation
from pullcore.errors import CommandError


class Screen(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def talk(typed: str = "", *, terminal: bool = True) -> Conversation:
    stream = Screen if terminal else io.StringIO
    return Conversation(stream(typed), stream(), stream())


def shown(one: Conversation) -> str:
    assert isinstance(one.stdout, io.StringIO)
    assert one.stdout.getvalue() == "", "results only"
    assert isinstance(one.stderr, io.StringIO)
    return one.stderr.getvalue()


def test_what_is_said_is_one_visible_line() -> None:
    one = talk()
    one.say("a\x1b[31mb\nc  d")
    assert shown(one) == "a^[[31mb^Jc  d\n"


@pytest.mark.parametrize(
    ("stdin", "stderr", "interactive"),
    [(Screen, Screen, True), (io.StringIO, Screen, False), (Screen, io.StringIO, False)],
)
def test_somebody_can_be_asked_who_sees_the_question_and_can_answer(
    stdin: type[io.StringIO], stderr: type[io.StringIO], interactive: bool
) -> None:
    assert Conversation(stdin(), io.StringIO(), stderr()).interactive is interactive


def test_questions_and_their_defaults() -> None:
    one = talk("  bob \n\n")
    assert [one.ask("Name"), one.ask("Number", "1")] == ["bob", "1"]
    assert shown(one) == "Name: Number [1]: "
    with pytest.raises(CommandError, match="nothing was typed: nothing was changed"):
        one.ask("Name", "default")


def test_a_secret_is_asked_on_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    one = talk()
    asked = []

    def typed(prompt: str, stream: object) -> str:
        asked.append((prompt, stream))
        return "tiger"

    monkeypatch.setattr(getpass, "getpass", typed)
    assert one.ask_secret("Password") == "tiger"
    assert asked == [("Password: ", one.stderr)]

    def ended(prompt: str, stream: object) -> str:
        raise EOFError

    monkeypatch.setattr(getpass, "getpass", ended)
    with pytest.raises(CommandError, match="no password was typed: nothing was changed"):
        one.ask_secret("Password")


@pytest.mark.parametrize("answer", ["y", "Y", "yes", " YES "])
def test_a_yes_goes_on(answer: str) -> None:
    one = talk(f"{answer}\n")
    one.confirm("This deletes it", yes=False)
    assert shown(one) == "This deletes it\nGo on? (y/N): "


@pytest.mark.parametrize("answer", ["\n", "n\n", "no\n", "yess\n", "ja\n"])
def test_everything_else_does_not(answer: str) -> None:
    with pytest.raises(CommandError) as caught:
        talk(answer).confirm("This deletes it", yes=False)
    assert caught.value.text == "nothing was changed"


@pytest.mark.parametrize("terminal", [True, False])
def test_who_has_said_yes_is_not_asked(terminal: bool) -> None:
    one = talk(terminal=terminal)
    one.confirm("This deletes it", yes=True)
    assert shown(one) == ""


def test_where_nobody_can_be_asked_nothing_happens() -> None:
    one = talk("y\n", terminal=False)
    with pytest.raises(CommandError) as caught:
        one.confirm("This deletes\n\x1b[31m", yes=False)
    assert caught.value.text == "This deletes ^[[31m: give -y to go on without being asked; nothing was changed"
    assert shown(one) == ""
