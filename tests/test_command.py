"""The console command: what it lists, what it imports, and that its commands speak in its name."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT
from scripts import into_a_closed_pipe

import scratchnn
from scratchnn.exercises.__main__ import parser
from scratchnn.scripts import check, explore_page, train, weights
from scratchnn.scripts.command import COMMANDS, main


def run(folder, code: str) -> subprocess.CompletedProcess[str]:
    """A program that has `main`, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", f"import sys; from scratchnn.scripts.command import main; {code}"],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def as_module(folder, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scratchnn", *arguments],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def refused(capsys, *arguments: str) -> str:
    """What is told, in the end, to a user whose mistake ends the command."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code not in (0, None)
    return stop.value.code if isinstance(stop.value.code, str) else capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_help_lists_every_command_and_has_examples(arguments, capsys):
    assert main(arguments) == 0
    text = capsys.readouterr().out
    listed, _, examples = text.partition("examples:")
    assert re.findall(r"^  (\w+) {3,}", listed, re.MULTILINE) == list(COMMANDS)
    for name in COMMANDS:
        assert f"  scratchnn {name} " in examples


def test_the_examples_are_what_the_commands_take(capsys):
    main([])
    parsers = {
        "train": train.options,
        "weights": weights.options,
        "explore": explore_page.options,
        "exercises": parser("scratchnn exercises").parse_args,
        "check": lambda arguments: check.options(arguments, "scratchnn check"),
    }
    for line in capsys.readouterr().out.partition("examples:\n")[2].splitlines():
        _, name, *arguments = line.split()
        try:
            parsers[name](arguments)
        except SystemExit as stop:  # --help ends it
            assert stop.code == 0, line


def test_the_version_is_the_library_s(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"scratchnn {scratchnn.__version__}\n"


@pytest.mark.parametrize("name", ["exercise", "--verison", "gradcheck"])
def test_an_unknown_command_is_one_sentence_that_lists_the_known_ones(name, capsys):
    assert refused(capsys, name) == f"error: there is no command {name}; there are: {', '.join(COMMANDS)}"


def test_python_m_scratchnn_is_the_same_command_under_its_own_name(tmp_path):
    done = as_module(tmp_path, "--help")
    assert done.returncode == 0 and "usage: python -m scratchnn COMMAND" in done.stdout
    assert as_module(tmp_path, "--version").stdout == f"scratchnn {scratchnn.__version__}\n"
    done = as_module(tmp_path, "exercises")
    assert done.returncode == 1
    assert done.stderr == "error: no exercises here yet: python -m scratchnn exercises start\n"


# ---- exercises


def test_the_exercises_name_the_command_that_was_used(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refused(capsys, "exercises") == "error: no exercises here yet: scratchnn exercises start"
    assert main(["exercises", "start"]) == 0
    assert capsys.readouterr().out.endswith(" and run scratchnn exercises watch\n")
    for _ in range(6):
        main(["exercises", "--folder", "exercises", "hint", "sum"])
    assert "; scratchnn exercises --folder exercises solution sum shows the solution." in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["exercises", "--help"])
    assert "usage: scratchnn exercises " in (text := capsys.readouterr().out) and "  scratchnn exercises watch" in text
    assert "python -m" not in text


def test_a_mistake_in_the_exercises_is_one_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("", encoding="utf-8")
    told = refused(capsys, "exercises", "start", "--folder", "file")
    assert told.startswith("error: cannot read or write file") and "\n" not in told
    assert "there is no exercise lienar; there are: slope, " in refused(capsys, "exercises", "check", "lienar")


def test_a_check_s_exit_status_is_the_command_s(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["exercises", "start"])
    assert main(["exercises", "check", "sum"]) == 1, "the dots are still there"


TRAINING = {"scratchnn.training", "scratchnn.data", "scratchnn.evaluation", "scratchnn.scripts.train"}
EXERCISES = {"scratchnn.exercises", "scratchnn.gradcheck", "scratchnn.data"}  # the last for the digits of two


def test_a_command_imports_nothing_that_it_does_not_need(tmp_path):
    def loaded(code: str) -> set[str]:
        done = run(tmp_path, f"{code}; print(*sys.modules)")
        return (TRAINING | EXERCISES) & set(done.stdout.splitlines()[-1].split())

    assert loaded("main(['--help'])") == set()
    assert loaded("main(['exercises', 'start'])") == EXERCISES
    assert loaded("main(['check', 'none.py'])") == {"scratchnn.gradcheck"}
    assert loaded("import scratchnn.scripts.train") == TRAINING


# ---- train


def test_train_trains(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pytest"])  # put back afterwards
    out = tmp_path / "run"
    assert main(["train", "--data", "digits", "--epochs", "1", "--hidden", "4", "--out", str(out)]) == 0
    assert (out / "checkpoint.npz").exists() and (out / "summary.json").exists()
    assert f"written to {out}" in capsys.readouterr().out


def test_a_mistake_in_train_is_one_sentence_in_the_name_of_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pytest"])
    told = refused(capsys, "train", "--epochs", "none")
    assert "usage: scratchnn train " in told and "scratchnn train: error: argument --epochs: expected a whole" in told
    told = refused(capsys, "train", "--batch-size", "1000000", "--out", str(tmp_path / "run"))
    assert told.startswith("error: ") and "batch" in told and "\n" not in told


def test_a_program_of_one_s_own_keeps_its_hook_for_exceptions():
    """Only the scripts in examples/ have one for packages that are missing."""
    code = (
        "import sys\nbefore = sys.excepthook = lambda *_: None\n"
        "import scratchnn.scripts\nassert sys.excepthook is before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_the_output_need_not_be_read(argument):
    done = into_a_closed_pipe("-m", "scratchnn", argument)
    assert (done.returncode, done.stderr) == (1, "")


def test_an_interrupt_while_a_command_is_imported_is_one_sentence(tmp_path):
    code = (
        "import importlib, signal\n"
        "real = importlib.import_module\n"
        "def slow(name):\n"
        "    if name.endswith('.train'): signal.raise_signal(signal.SIGINT)\n"
        "    return real(name)\n"
        "importlib.import_module = slow\n"
        "main(['train'])"
    )
    done = run(tmp_path, f"exec({code!r})")
    assert done.returncode == 130 and done.stderr.startswith("\nended by SIGINT: ") and "Traceback" not in done.stderr
