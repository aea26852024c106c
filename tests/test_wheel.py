"""What a user gets who installs the wheel and nothing else: the README's code, the thesis's training, the exercises."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = pytest.mark.skipif(not (ROOT / "scratchnn").is_dir(), reason="a wheel is made from the source")
EXTRA = 'python -m pip install "scratchnn[examples]"'


@dataclass(frozen=True)
class Installed:
    """The wheel, and an environment with only what it pulls in; what runs there runs in another folder."""

    wheel: Path
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
        """The last line of the traceback of Python code that must fail for want of a package."""
        ended = self.run("python", "-c", code, **variables)
        assert ended.returncode == 1, ended.stdout + ended.stderr
        return ended.stderr.splitlines()[-1].removeprefix("scratchnn.machinery.extras.MissingExtraError: ")


def pip(folder: Path, *arguments: object) -> None:
    """Runs pip; skips the tests where it fails and cannot fetch a small package either."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    ended = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True)
    if ended.returncode:
        fetch = ["download", "--no-deps", "--no-cache-dir", "--retries", "0", "--dest", str(folder), "tqdm"]
        if subprocess.run([*command, *fetch], capture_output=True).returncode:
            pytest.skip("pip reaches no package index")
        pytest.fail(ended.stdout + ended.stderr)


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Installed:
    folder = tmp_path_factory.mktemp("a path with spaces")
    source, wheels, environment = folder / "source", folder / "wheels", folder / "an environment"
    # a copy: setuptools leaves a folder build/ behind, and takes what an earlier one left in it
    shutil.copytree(ROOT / "scratchnn", source / "scratchnn", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.cfg"):
        shutil.copy(ROOT / name, source)
    pip(folder, "wheel", "--no-deps", "--wheel-dir", wheels, source)
    (wheel,) = wheels.iterdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    pip(folder, "--python", programs / "python", "install", wheel)
    (folder / "elsewhere").mkdir()
    return Installed(wheel, programs, folder / "elsewhere")


def test_the_wheel_holds_every_file_of_the_package_and_no_other(installed):
    package = {path for path in (ROOT / "scratchnn").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    names = set(zipfile.ZipFile(installed.wheel).namelist())
    assert {name for name in names if ".dist-info/" not in name} == {
        path.relative_to(ROOT).as_posix() for path in package
    }


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


def test_the_code_of_the_readme_runs(installed):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert installed.prints("python", "-c", code).endswith("(9, 64)\n")


def test_the_thesis_trains_and_says_which_figures_are_missing(installed):
    printed = installed.prints("scratchnn", "train", "--epochs", 2, "--out", "a run")
    (sentence,) = (line for line in printed.splitlines() if "matplotlib" in line)
    assert "loss.png" in sentence and "manifold_quantile.png" in sentence and EXTRA in sentence
    run = installed.folder / "a run"
    assert len(json.loads((run / "history.json").read_text())) == 2
    assert "test_loss" in json.loads((run / "summary.json").read_text())["figures"]
    assert not list(run.glob("*.png"))
    printed = installed.prints("python", "-c", "from scratchnn.training import load_model; print(load_model('a run'))")
    assert "VAE" in printed
    printed = installed.prints("scratchnn", "explore", "a run", "--html", "a page.html")
    assert "for 525 z" in printed and (installed.folder / "a page.html").stat().st_size > 100_000
    assert "in float16" in installed.prints("scratchnn", "weights", "a run", "--out", "w.npz", "--dtype", "float16")


@pytest.mark.parametrize("program", [("scratchnn", "exercises"), ("python", "-m", "scratchnn.exercises")])
def test_the_exercises_can_be_done(program, installed):
    folder = f"exercises of {program[0]}"
    installed.prints(*program, "--folder", folder, "start")
    assert (installed.folder / folder / "01_sum.py").is_file()
    ended = installed.run(*program, "--folder", folder, "check")
    assert ended.returncode == 1 and "Traceback" not in ended.stderr and "not written" in ended.stdout


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
