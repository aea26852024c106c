"""What the project says about itself: imports, conventions, equations, the README."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest
from conftest import ROOT

ORDER = [
    "parameters", "init", "layers", "losses", "likelihoods", "vae", "autoencoder", "classifier", "optim",
    "gradcheck", "data", "checkpoints", "training", "parallel", "evaluation", "figures", "explore", "cli", "exercises",
]  # fmt: skip
NUMPY_ONLY = ORDER[: ORDER.index("gradcheck") + 1]
MODULES = sorted((ROOT / "scratchnn").rglob("*.py"))


def imports(path, anywhere: bool) -> set[str]:
    """The modules that a file imports, at its top or anywhere in it."""
    tree = ast.parse(path.read_text())
    nodes = ast.walk(tree) if anywhere else tree.body
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def place(name: str) -> int | None:
    """The position in the reading order of a dotted name within the library."""
    parts = name.split(".")
    return ORDER.index(parts[1]) if parts[0] == "scratchnn" and len(parts) > 1 and parts[1] in ORDER else None


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_upwards_in_the_reading_order(path):
    own = place(".".join(path.relative_to(ROOT).with_suffix("").parts))
    if own is None:
        assert path == ROOT / "scratchnn/__init__.py", f"{path} has no place in the reading order"
        return
    for name in imports(path, anywhere=True):
        other = place(name)
        assert other is None or other <= own, f"{path.name} imports {name}, which stands below it"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_library_proper_needs_numpy_only(path):
    if path.relative_to(ROOT / "scratchnn").parts[0].removesuffix(".py") in [*NUMPY_ONLY, "__init__"]:
        outside = {name.split(".")[0] for name in imports(path, anywhere=True)} - set(sys.stdlib_module_names)
        assert outside <= {"numpy", "scratchnn"}


def test_importing_the_library_loads_nothing_heavy():
    heavy = ("matplotlib", "scipy", "sklearn", "tqdm", "pooch", "requests", "rich")
    code = f"import sys, scratchnn; print([m for m in {heavy!r} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_the_reading_order_names_every_module():
    text = (ROOT / "scratchnn/__init__.py").read_text()
    for path in (ROOT / "scratchnn").iterdir():
        if path.stem not in ("__init__", "__pycache__", "py"):
            assert path.name in text, f"{path.name} is missing from the reading order in scratchnn/__init__.py"


TAG = re.compile(r"#\s*((?:AEVB|Adam|LeCun98|Thesis) (?:\(\d+\)|App\. \w|Alg\. \d|§[\d.]*\d))")


def test_every_equation_has_its_row_and_every_row_its_code_and_test():
    tagged: dict[str, set[str]] = {}
    for path in MODULES:
        for tag in TAG.findall(path.read_text()):
            tagged.setdefault(tag, set()).add(str(path.relative_to(ROOT)))
    rows = {}
    for line in (ROOT / "docs/equations.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split(" | ")]
        if len(cells) == 4 and TAG.match("# " + cells[0].removeprefix("| ")):
            rows[cells[0].removeprefix("| ")] = cells[2], cells[3]
    assert rows.keys() == tagged.keys()
    for tag, (code, test) in rows.items():
        files = dict(re.findall(r"`([\w/.]+\.py)`: `(\w+)`", code))
        assert set(files) == tagged[tag], tag
        for file, name in {**files, **dict(re.findall(r"`([\w/.]+\.py)`: `(\w+)`", test))}.items():
            assert re.search(rf"^\s*(?:def|class) {name}\b", (ROOT / file).read_text(), re.MULTILINE), f"{file}: {name}"


README = (ROOT / "README.md").read_text()


def test_the_readme_shows_two_commands_and_its_sample_runs():
    (commands,) = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line for line in commands.splitlines() if line and not line.startswith("#")]
    assert len(lines) == 2 and "examples/vae.py" in lines[0] and "pytest" in lines[1]
    (sample,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(sample.splitlines()) <= 14
    exec(compile(sample, "README.md", "exec"), {})


def test_links_in_the_texts_lead_somewhere():
    for text in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", text.read_text()):
            assert (text.parent / target).exists(), f"{text.name} links to {target}"


def test_all_public_names_can_be_imported():
    import scratchnn

    assert all(hasattr(scratchnn, name) for name in scratchnn.__all__)
    assert sorted(scratchnn.__all__) == sorted(
        name for name, value in vars(scratchnn).items() if isinstance(value, type)
    )
