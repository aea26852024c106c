"""What the project says about itself: imports, conventions, equations, the README."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest
from conftest import PACKAGE, ROOT
from equivalent_mutants import EQUIVALENT

DOCSTRING = ast.get_docstring(ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")))
READING = re.findall(r"^    ([\w/]+(?:\.py|/))\s{2,}\S", DOCSTRING, re.MULTILINE)  # "layers/dense.py", "gradcheck/", …
IMPORTS = re.search(r"what stands before it:\n\n((?:    .*\n)+)", DOCSTRING)[1].split()
LESSON = IMPORTS[: IMPORTS.index("gradcheck") + 1]
PATH = [
    "__init__.py", "layers/dense.py", "layers/layer.py", "layers/activations.py", "losses.py", "likelihoods.py",
    "vae.py", "optim.py", "gradcheck/numeric.py",
]  # fmt: skip
EXCEPTIONS = {"loops.py": {"numba"}, "problem.py": {"tqdm"}}  # compiled loops; the progress bar of a long check
MODULES = sorted(PACKAGE.rglob("*.py"))
every_module = pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE.parent)))


def imports(path) -> set[str]:
    """The dotted names that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports {node.module} relative to itself"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def of_project(name: str, folder=ROOT):
    """A file or folder of the project by its path from `folder`; of the library, where that is installed."""
    path = (folder / name).resolve()
    inside = path.is_relative_to(ROOT / "scratchnn")
    return PACKAGE / path.relative_to(ROOT / "scratchnn") if inside else path


def dotted(path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


NAMES = {dotted(path): path for path in MODULES}


def modules_imported(path) -> set[str]:
    """The files of the library that a file imports: of `from package import name`, the file `name` if there is one."""
    found = set()
    for name in imports(path):
        while name and name not in NAMES:
            name = name.rpartition(".")[0]
        found |= {name} - {"", "scratchnn", dotted(path)}
    return found


def place(name: str) -> int:
    """The position in the order of imports of a dotted name within the library; `python -m scratchnn` comes last."""
    room = name.split(".")[1]
    return len(IMPORTS) if room == "__main__" else IMPORTS.index(room)


def test_the_two_orders_are_read_from_the_first_page():
    assert READING[:3] == ["layers/dense.py", "layers/layer.py", "layers/activations.py"]
    assert IMPORTS[:4] == ["machinery", "compiled", "init", "layers"] and len(READING) > 15 and len(IMPORTS) > 12


def test_both_orders_name_every_room_and_nothing_else():
    rooms = {
        path.stem for path in PACKAGE.iterdir() if (path.is_dir() or path.suffix == ".py") and path.stem[:2] != "__"
    }
    assert set(IMPORTS) == rooms and len(IMPORTS) == len(rooms)
    for name in READING:
        assert (PACKAGE / name).exists(), f"the order to read in names {name}, and there is none"
    lesson_files = {
        str(path.relative_to(PACKAGE)) for path in [*PACKAGE.glob("*.py"), *(PACKAGE / "layers").glob("*.py")]
    }
    named = {name for name in READING if name.endswith(".py")}
    assert lesson_files - named == {"__init__.py", "__main__.py", "layers/__init__.py"}
    assert {name.rstrip("/") for name in READING if name.endswith("/")} == rooms - {"layers"} - {
        name.removesuffix(".py") for name in named
    }


@pytest.mark.parametrize("package", ["machinery", "layers", "training", "evaluation"])
def test_a_room_says_what_each_of_its_files_is_for(package):
    text = ast.get_docstring(ast.parse((PACKAGE / package / "__init__.py").read_text(encoding="utf-8")))
    files = {path.name for path in (PACKAGE / package).glob("*.py")} - {"__init__.py"}
    assert set(re.findall(r"\w+\.py\b", text)) == files


@every_module
def test_a_module_imports_only_what_stands_before_it(path):
    if path == PACKAGE / "__init__.py":
        return  # it collects the public names
    for name in modules_imported(path):
        assert place(name) <= place(dotted(path)), f"{path} imports {name}, which stands after it"


def test_no_two_files_import_each_other_in_a_circle():
    graph = {name: modules_imported(path) - {"scratchnn"} for name, path in NAMES.items() if name != "scratchnn"}
    # a package's own __init__ collects names; importing a file of it does not need them
    graph = {name: {to for to in found if not name.startswith(to + ".")} for name, found in graph.items()}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, f"a circle: {' -> '.join((*above, name))}"
        if name not in done:
            for to in graph[name]:
                visit(to, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_the_tests_of_the_orders_can_fail(tmp_path):
    """A file of the machinery that imports a layer inside a function is found."""
    file = tmp_path / "memory.py"
    file.write_text("def f():\n    from scratchnn.layers.dense import Dense\n", encoding="utf-8")
    (name,) = imports(file)
    assert name == "scratchnn.layers.dense.Dense" and place(name) > place("scratchnn.machinery.memory")


@every_module
def test_the_lesson_needs_numpy_only(path):
    if path.relative_to(PACKAGE).parts[0].removesuffix(".py") in [*LESSON, "__init__"]:
        outside = {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names)
        assert outside <= {"numpy", "scratchnn"} | (EXCEPTIONS.get(path.name, set()))


def test_the_path_of_a_first_reading_is_short():
    """First page to the gradient check: an hour. What teaches nothing stands in machinery/."""
    texts = {name: (PACKAGE / name).read_text(encoding="utf-8") for name in PATH}
    assert sum(len(text.splitlines()) for text in texts.values()) <= 1400
    assert sum(len(text.split()) for text in texts.values()) <= 8700
    assert len(texts["layers/layer.py"].splitlines()) <= 120


def test_importing_the_library_loads_nothing_heavy():
    heavy = ("matplotlib", "scipy", "sklearn", "tqdm", "threadpoolctl", "pooch", "requests", "rich", "joblib")
    code = f"import sys, scratchnn; print([m for m in {heavy!r} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_layer_with_its_docstring_is_a_screen_and_a_half():
    """A screen of 62 lines. VAE is the lecture on the bound, so it may be longer."""
    lines = {
        node.name: node.end_lineno - node.lineno + 1
        for path in MODULES
        if path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        in LESSON[LESSON.index("init") : -1]  # without machinery/ and gradcheck/
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and node.name != "VAE"
    }
    assert len(lines) > 30 and {name: n for name, n in lines.items() if n > 93} == {}


TAG = re.compile(r"#\s*((?:AEVB|Adam|LeCun98|Thesis) (?:\(\d+\)|App\. \w|Alg\. \d|§[\d.]*\d))")


def test_every_equation_has_its_row_and_every_row_its_code_and_test():
    tagged: dict[str, set[str]] = {}
    for path in MODULES:
        for tag in TAG.findall(path.read_text(encoding="utf-8")):
            tagged.setdefault(tag, set()).add(str(path.relative_to(PACKAGE.parent)))
    rows = {}
    for line in (ROOT / "docs/equations.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split(" | ")]
        if len(cells) == 4 and TAG.match("# " + cells[0].removeprefix("| ")):
            rows[cells[0].removeprefix("| ")] = cells[2], cells[3]
    assert rows.keys() == tagged.keys()
    for tag, (code, test) in rows.items():
        files = dict(re.findall(r"`([\w/.]+\.py)`: `(\w+)`", code))
        assert set(files) == tagged[tag], tag
        for file, name in {**files, **dict(re.findall(r"`([\w/.]+\.py)`: `(\w+)`", test))}.items():
            assert re.search(
                rf"^\s*(?:def|class) {name}\b", of_project(file).read_text(encoding="utf-8"), re.MULTILINE
            ), f"{file}: {name}"


README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_shows_two_commands_and_its_sample_runs():
    (commands,) = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line for line in commands.splitlines() if line and not line.startswith("#")]
    assert len(lines) == 2 and "examples/vae.py" in lines[0] and "pytest" in lines[1]
    (sample,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(sample.splitlines()) <= 14
    exec(compile(sample, "README.md", "exec"), {})


def test_links_in_the_texts_lead_somewhere():
    for text in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", text.read_text(encoding="utf-8")):
            assert of_project(target, text.parent).exists(), f"{text.name} links to {target}"


def test_commands_in_the_texts_name_scripts_that_exist():
    texts = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    named = {
        (text.name, script)
        for text in texts
        for script in re.findall(r"python ([\w/]+\.py)", text.read_text(encoding="utf-8"))
    }
    assert len(named) > 30
    for text, script in named:
        assert (ROOT / script).exists() or script == "mine.py", f"{text} names {script}"


def test_texts_are_read_and_written_in_an_encoding_that_is_named():
    """That of the machine is not UTF-8 everywhere."""
    unnamed = [
        f"{path.name}:{node.lineno}"
        for path in [*MODULES, *(ROOT / "tests").glob("*.py")]
        if "_text(" in path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        and (node.func.attr, len(node.args)) in {("read_text", 0), ("write_text", 1)}
        and not any(argument.arg == "encoding" for argument in node.keywords)
    ]  # fmt: skip
    assert not unnamed


def test_all_public_names_can_be_imported():
    import scratchnn

    assert all(hasattr(scratchnn, name) for name in scratchnn.__all__)
    assert sorted(scratchnn.__all__) == sorted(
        name for name, value in vars(scratchnn).items() if isinstance(value, type)
    )


def test_every_mutant_that_nothing_can_notice_is_of_a_line_that_is_there():
    gone = []
    for one in EQUIVALENT:
        text = (PACKAGE / f"{one.module.replace('.', '/')}.py").read_text(encoding="utf-8")
        there = {line.partition("  # ")[0].strip() for line in text.splitlines()}
        gone += [
            (one.module, one.old) for line in one.old.splitlines() if line.partition("  # ")[0].strip() not in there
        ]
    assert not gone
