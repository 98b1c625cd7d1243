"""The help of every verb has one style, the shell completes names, wrong words are answered."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from headbench.cli import VERBS, app, load_verb, main
from headbench.cli.command_style import VALUES, examples
from headbench.cli.printing import fact_lines
from headbench.errors import ConfigError
from test_startup import HEAVY

WIDTH = 80


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its name behind ``headbench``."""
    for verb in VERBS:
        command = load_verb(verb)
        inner = getattr(command, "commands", None)
        if inner is None:
            yield verb, command
        else:
            yield from ((f"{verb} {name}", one) for name, one in inner.items())


PATHS = [path for path, _ in commands()]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit status, output and errors of a command line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["headbench", *words])
        status: object = 0
        try:
            main()
        except SystemExit as end:
            status = end.code
    read = capsys.readouterr()
    return int(str(status or 0)), read.out, read.err


@pytest.mark.parametrize("path", [*VERBS, *PATHS])
def test_help_is_plain_whole_and_within_the_terminal(
    path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    status, out, _ = run(capsys, *path.split(), "--help")
    assert status == 0
    assert max(map(len, out.splitlines())) <= WIDTH
    assert "\u2026" not in out and "\u2500" not in out and "<" not in out.split("Examples:")[0]
    assert out.startswith(f"Usage: headbench {path} ")
    assert "Examples:\n" in out and f"headbench {path}" in out.split("Examples:")[1]


@pytest.mark.parametrize("path", PATHS)
def test_every_option_says_what_it_is_for(path: str) -> None:
    command = dict(commands())[path]
    assert command.help.split("\n")[0].rstrip().endswith(".")
    for one in command.params:
        if getattr(one, "hidden", False):
            continue
        assert one.help and one.help.rstrip().endswith("."), f"{path}: {one.name}"
        if not getattr(one, "is_flag", False):
            shown = str(one.metavar)
            capitals = shown in VALUES.values() or shown == shown.upper() or shown[0].isupper()
            assert capitals, f"{path}: {shown}"


@pytest.mark.parametrize("path", sorted(examples()))
def test_every_example_is_a_command_line_that_can_be_read(path: str) -> None:
    top = typer.main.get_command(app)
    for example in examples()[path]:
        program, verb, *words = shlex.split(example)
        assert program == "headbench"
        context = load_verb(verb).make_context(verb, words, typer.Context(top))
        command = context.command
        if hasattr(command, "commands"):
            name, inner, rest = command.resolve_command(context, [*context._protected_args])
            assert inner.make_context(name, rest + context.args, context)


def completed(*words: str) -> tuple[list[str], set[str]]:
    """What the shell puts in behind the last word, and which heavy modules that loaded."""
    probe = (
        "import sys\n"
        "from headbench.cli import app\n"
        "try:\n    app(prog_name='headbench')\n"
        f"finally:\n    print('LOADED', *(x for x in {HEAVY!r} if x in sys.modules))\n"
    )
    environment = os.environ | {
        "_HEADBENCH_COMPLETE": "complete_bash",
        "COMP_WORDS": shlex.join(["headbench", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(
        [sys.executable, "-c", probe], env=environment, capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    assert lines and lines[-1].startswith("LOADED"), done.stderr
    return lines[:-1], set(lines[-1].split()[1:])


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("ru",), ["run"]),
        (("run", "--task"), ["--tasks", "--task-args"]),
        (("run", "--tasks", "niah_s"), ["niah_single"]),
        (("run", "--tasks", "pope,niah_s"), ["pope,niah_single"]),
        (("run", "--intervention", "scale_"), ["scale_heads", "scale_values"]),
        (("run", "--model", "ref-v"), ["ref-vlm"]),
        (("ls", "det"), ["detectors"]),
        (("show", "task", "pope_t"), ["pope_text"]),
        (("show", "intervention", "mask"), ["mask_heads"]),
        (("heads", "detect", "--detector", "retr"), ["retrieval"]),
        (("validate", "walls_n"), ["walls_nyt"]),
    ],
)
def test_the_shell_completes_names_and_loads_no_model_library(
    words: tuple[str, ...], wanted: list[str]
) -> None:
    names, heavy = completed(*words)
    assert names == wanted
    assert not heavy


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_completion_can_be_had(shell: str) -> None:
    environment = os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "headbench", "--show-completion", shell],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "_COMPLETE" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("words", "what", "where", "hint"),
    [
        (("run", "--taks", "x"), "there is no option '--taks'", "headbench run", "'--tasks'?"),
        (("run", "--zzzzz"), "there is no option '--zzzzz'", "headbench run", "'headbench run"),
        (("run", "--draws", "0"), "--draws must be greater than", "headbench run", "run --help"),
        (("run", "--draws", "x"), "--draws must be a valid integer", "headbench run", "--help"),
        (("run", "--tasks"), "--tasks needs a value", "headbench run", "headbench run --help"),
        (("ls", "foo"), "KIND: 'foo' is not one of", "headbench ls", "headbench ls --help"),
        (("show",), "KIND is missing", "headbench show", "one of task, intervention, result"),
        (("run", "extra"), "there is no place for 'extra'", "headbench run", "headbench run"),
        (("compare",), "RESULT is missing", "headbench compare", "headbench compare --help"),
        (("rnu",), "there is no command 'rnu'", "headbench", "did you mean 'run'?"),
        (("heads", "shwo"), "there is no command 'shwo'", "headbench heads", "'show'"),
    ],
)
def test_a_word_that_cannot_be_read_is_answered_with_what_where_and_hint(
    words: tuple[str, ...], what: str, where: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, *words)
    first, second, third = err.splitlines()
    assert (status, out) == (2, "")
    assert first.startswith(f"error: {what}")
    assert second == f"  at: {where}"
    assert third.startswith("  hint: ") and hint in third


def test_a_wrong_word_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("run", "--x\x1b]0;title\x07"), ("\x1b[2J",), ("run", "a\x1b[31m")):
        status, _, err = run(capsys, *words)
        assert status == 2 and not set(err) & {"\x1b", "\x07"}


def test_the_package_runs_as_a_module(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "headbench", "--help"], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert re.match(r"Usage: (python -m )?headbench ", done.stdout)


def test_hints_of_usage_errors_are_errors_of_ours() -> None:
    from headbench.cli.command_style import usage_error

    assert isinstance(usage_error(typer.BadParameter("no")), ConfigError)


@pytest.mark.parametrize("width", [80, 120, 200])
def test_facts_fit_the_terminal_and_are_whole(width: int) -> None:
    sentence = "Is this object in the picture? Drawn scenes; absent objects in three settings."
    rows = [
        ("task", "pope", "pope/pope.yaml:2"),
        ("metadata.description", sentence, "pope/pope.yaml:16"),
        ("doc_to_text", "<image>\n{{ question }}", "default"),
        ("scorer_options." + "x" * 40, "1", ""),
    ]
    printed = list(fact_lines(rows, width))
    assert max(map(len, printed)) <= width
    text = " ".join(" ".join(printed).split())
    for name, value, origin in rows:
        assert name in text and " ".join(value.split()) in text.replace("# pope/pope.yaml:16 ", "")
        assert not origin or f"# {origin}" in text
    (line,) = (line for line in printed if line.strip().startswith("task "))
    assert line.split() == ["task", "pope", "#", "pope/pope.yaml:2"]


@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize(
    "words",
    ["ls tasks", "ls metrics", "show task walls", "show task pope_files", "heads detectors"],
)
def test_what_a_verb_prints_fits_the_terminal_and_elides_nothing(
    words: str, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    status, out, _ = run(capsys, *words.split())
    assert status == 0
    facts = re.split("\nfirst document|\nno example", out)[0]  # a prompt is shown as it is asked
    for line in facts.splitlines():  # a path stays whole, so that it can be copied
        assert len(line) <= width or " " not in line.strip()
    assert "\u2026" not in out
