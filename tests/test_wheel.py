"""What a user gets who installs the wheel and nothing else: the README's code, the thesis's training, the exercises.

python -m tests.release runs these tests with the source archive as well.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import release
from conftest import ROOT

TREE = release.tree()
pytestmark = pytest.mark.skipif("setup.cfg" not in TREE, reason="the archives are made from a checkout")
REHEARSAL = os.environ.get("SCRATCHNN_REHEARSAL")  # the folder of python -m tests.release, which has built them
EXTRA = 'python -m pip install "scratchnn[examples]"'


@dataclass(frozen=True)
class Installed:
    """An environment with an archive and only what it pulls in; what runs there runs in another folder."""

    programs: Path
    folder: Path

    def run(self, program: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        ours = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "SCRATCHNN_DATA")
        environment = {name: value for name, value in os.environ.items() if name not in ours} | variables
        command = [self.programs / program, *map(str, arguments)]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)

    def prints(self, program: str, *arguments: object) -> str:
        """What a program prints that must succeed."""
        ended = self.run(program, *arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def refuses(self, code: str, **variables: str) -> str:
        """The last line of what Python says of code that must fail for want of a package."""
        ended = self.run("python", "-c", code, **variables)
        assert ended.returncode == 1, ended.stdout + ended.stderr
        return re.sub("^(error|scratchnn.machinery.extras.MissingExtraError): ", "", ended.stderr.splitlines()[-1])


def unless_offline(line: release.Line, folder: Path) -> None:
    """Fails if a program that fetches packages did; skips the tests if pip cannot fetch a small package either."""
    if line.wrong:
        fetch = ["pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--retries", 0, "--dest", folder, "tqdm"]
        if release.program("fetches", "tqdm", *fetch).wrong:
            pytest.skip("pip reaches no package index")
        pytest.fail(line.wrong)


@pytest.fixture(scope="module")
def archives(tmp_path_factory) -> dict[str, Path]:
    if REHEARSAL:
        return release.archives(Path(REHEARSAL))
    folder = tmp_path_factory.mktemp("a path with spaces")
    unless_offline(release.build(folder), folder)
    return release.archives(folder)


@pytest.fixture(scope="module", params=list(release.KINDS) if REHEARSAL else ["wheel"])
def installed(request, archives, tmp_path_factory) -> Installed:
    folder = tmp_path_factory.mktemp("a path with spaces")
    environment = folder / "an environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    pip = ["pip", "--quiet", "--disable-pip-version-check", "--python", programs / "python"]
    for command in (["install", archives[request.param]], ["check"]):
        unless_offline(release.program(command[0], request.param, *pip, *command), folder)
    (folder / "elsewhere").mkdir()
    return Installed(programs, folder / "elsewhere")


def test_the_wheel_holds_every_file_of_the_package_and_no_other(archives):
    names = [name for name in zipfile.ZipFile(archives["wheel"]).namelist() if ".dist-info/" not in name]
    assert sorted(names) == [name for name in TREE if name.startswith("scratchnn/")]


def test_the_source_archive_holds_every_file_of_the_repository(archives):
    """MANIFEST.in says which; what setuptools adds says what the package is called and needs."""
    with tarfile.open(archives["source archive"]) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    added = {name for name in names if name == "PKG-INFO" or name.startswith("scratchnn.egg-info/")}
    assert names - added == set(TREE)


def test_it_brings_three_packages_and_knows_its_version(installed):
    code = """if True:
        import importlib.metadata as metadata, scratchnn
        print(*sorted(distribution.name for distribution in metadata.distributions()))
        print(scratchnn.__version__ == metadata.version("scratchnn"), scratchnn.__file__)
    """
    packages, version = installed.prints("python", "-c", code).splitlines()
    assert packages.split() == ["numpy", "scratchnn", "threadpoolctl", "tqdm"]
    same, file = version.split(" ", 1)
    assert same == "True" and Path(file).is_relative_to(installed.programs.parent)


def test_every_command_shows_its_help(installed):
    code = """if True:
        import importlib.metadata as metadata
        print(*(entry.name for entry in metadata.distribution("scratchnn").entry_points))
    """
    for name in installed.prints("python", "-c", code).split():
        listed = installed.prints(name, "--help").partition("commands:")[2].partition("\n\n")[0]
        commands = re.findall(r"^  (\w+)", listed, re.MULTILINE)
        assert {"train", "exercises", "check"} <= set(commands)
        for command in commands:
            assert installed.prints(name, command, "--help").startswith(f"usage: {name} {command}")


def test_the_code_of_the_readme_runs(installed):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert installed.prints("python", "-c", code).endswith("(9, 64)\n")


def test_the_thesis_trains_and_says_which_figures_are_missing(installed):
    printed = installed.prints("scratchnn", "train", "--epochs", 2, "--out", "a run")
    (sentence,) = (line for line in printed.splitlines() if "matplotlib" in line)
    assert "loss.png" in sentence and "manifold_quantile.png" in sentence and EXTRA in sentence
    run = installed.folder / "a run"
    assert len(json.loads((run / "history.json").read_text(encoding="utf-8"))) == 2
    assert "test_loss" in json.loads((run / "summary.json").read_text(encoding="utf-8"))["figures"]
    assert not list(run.glob("*.png"))
    printed = installed.prints("python", "-c", "from scratchnn.training import load_model; print(load_model('a run'))")
    assert "VAE" in printed
    printed = installed.prints("scratchnn", "explore", "a run", "--html", "a page.html")
    assert "for 525 z" in printed and (installed.folder / "a page.html").stat().st_size > 100_000
    assert "in float16" in installed.prints("scratchnn", "weights", "a run", "--out", "w.npz", "--dtype", "float16")


@pytest.mark.parametrize("program", [("scratchnn", "exercises"), ("python", "-m", "scratchnn.exercises")], ids=" ".join)
def test_the_exercises_can_be_done(program, installed):
    folder = f"exercises of {program[0]}"
    installed.prints(*program, "--folder", folder, "start")
    ended = installed.run(*program, "--folder", folder, "check")
    assert ended.returncode == 1 and "Traceback" not in ended.stderr and "not written" in ended.stdout
    answer = installed.folder / folder / "01_sum.py"
    text = answer.read_text(encoding="utf-8").replace("dx = ...", "dx = dy[:, None] + 0 * x")
    answer.write_text(text, encoding="utf-8")
    assert "sum: right" in installed.prints(*program, "--folder", folder, "check", "sum")


@pytest.mark.parametrize(
    "code, sentence",
    [
        ("from scratchnn.scripts import figures", "drawing figures needs matplotlib"),
        ("from scratchnn.data import load; load('mnist')", r"a data set that is not in .* SCRATCHNN_DATA needs pooch"),
        ("from scratchnn.evaluation import t_sne; t_sne(None, 1, 0)", "t-SNE needs sklearn"),
    ],
    ids=["figures", "mnist", "t-SNE"],
)
def test_what_needs_an_extra_names_it_in_one_sentence(code, sentence, installed):
    (installed.folder / "data").mkdir(exist_ok=True)
    refused = installed.refuses(code, SCRATCHNN_DATA=str(installed.folder / "data"))
    assert re.fullmatch(f"{sentence}: {re.escape(EXTRA)}", refused)


SCRIPTS = sorted(path for path in (ROOT / "examples").rglob("*.py") if path.parent.name in ("examples", "lectures"))
BARE = {
    "first_backprop",
    "log_likelihood",
    "results",
    "tiny_vae",
    "vae",
}  # need nothing, or not at once


@pytest.mark.parametrize("script", [pytest.param(p, id=p.stem) for p in SCRIPTS if p.stem not in BARE])
def test_a_script_that_needs_an_extra_says_so_in_one_line(script, installed):
    """Wherever the import stands: no traceback."""
    ended = installed.run("python", script)
    assert ended.returncode == 1 and len(ended.stderr.splitlines()) == 1, ended.stderr
    assert re.search(r"^error: .* needs? .*python -m pip install \"scratchnn\[[a-z,]+\]\"$", ended.stderr)
