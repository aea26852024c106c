"""What has made a figure: the file says by which command, from a run of which settings, and drawn by which code.

A figure on a page is stale if the function that draws it has changed since, or if the settings of its run have. Whether
that is so can be seen without training or drawing anything: the file carries a *fingerprint* of the drawing function,
a hash of its source and of all that it uses from its own file and from figures.py, and the source that is there now has
one too. Docstrings, comments and white space are left out of it: they change nothing in the picture. (White space
inside a text does, and is left out as well: after a change of that alone, draw the figure again.)
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import io
import json
import shlex
import sys
import tokenize
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
F = TypeVar("F", bound=Any)  # a matplotlib Figure; this file does without matplotlib


def drawing(function: Callable[P, F]) -> Callable[P, F]:
    """Marks a function that draws a figure, so that the figure's file can name it. Of one that calls another such
    function, the figure is the outer one's."""

    @functools.wraps(function)
    def marked(*args: P.args, **kwargs: P.kwargs) -> F:
        figure = function(*args, **kwargs)
        source = inspect.getsource(sys.modules[function.__module__])  # which reads archives too
        place = "/".join(Path(inspect.getfile(function)).parts[-2:])
        figure.set_gid(f"{place}:{function.__name__} {fingerprint(source, function.__name__)}")
        return figure

    return marked


@functools.cache
def fingerprint(source: str, name: str) -> str:
    """The hash, 12 hex digits, of a function in a module with this source and of all that it uses, there and in
    figures.py."""
    used: dict[tuple[str, str], str] = {}
    to_read = [(source, name)]
    while to_read:
        place = text, name = to_read.pop()
        if place not in used:
            names = top_level(text)
            used[place] = "".join(code_of(text, node) for node in names[name])
            for part in (part for whole in names[name] for part in ast.walk(whole)):
                if isinstance(part, ast.Name) and part.id in names:
                    to_read.append((text, part.id))
                elif isinstance(part, ast.Attribute) and ast.unparse(part.value) == "figures":
                    to_read += [(figures_source(), part.attr)] if part.attr in top_level(figures_source()) else []
    content = sorted(f"{name} {code}" for (_, name), code in used.items())
    return hashlib.sha256("\n".join(content).encode("utf-8")).hexdigest()[:12]


@functools.cache
def figures_source() -> str:
    return Path(__file__).with_name("figures.py").read_text(encoding="utf-8")


@functools.cache
def top_level(source: str) -> dict[str, list[ast.stmt]]:
    """The functions, classes and constants of a module by name: the statements that make them."""
    found: dict[str, list[ast.stmt]] = {}
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names = [node.name]
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
        else:
            continue
        for name in names:
            found.setdefault(name, []).append(node)
    return found


@functools.cache
def without_comments(source: str) -> tuple[str, ...]:
    """The lines of a module; to find its comments takes longer than all else here."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return tuple(lines)


def code_of(source: str, node: ast.stmt) -> str:
    """A statement of a module without docstrings, comments and white space."""
    lines = list(without_comments(source))
    for part in ast.walk(node):
        if isinstance(part, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(part) is not None:
            text = part.body[0]
            lines[text.lineno - 1 : text.end_lineno] = [""] * ((text.end_lineno or text.lineno) - text.lineno + 1)
    return "".join("".join(lines[node.lineno - 1 : node.end_lineno]).split())


def text_of(figure: Any, settings: Mapping[str, Any]) -> dict[str, str]:
    """What the file of a figure carries, by name; ValueError for a figure that no `drawing` function has made."""
    if not figure.get_gid():
        raise ValueError("this figure does not know what has drawn it: mark the function that makes it with @drawing")
    drawn_by, code = figure.get_gid().rsplit(maxsplit=1)
    return {"Command": command(), "Settings": json.dumps(settings, default=str), "Drawn by": drawn_by, "Code": code}


def command() -> str:
    """The command that is running, as one types it in the folder of the project."""
    script = Path(sys.argv[0])
    if script.suffix == ".py":
        *above, name = script.resolve().parts
        folders = above[above.index("examples") :] if "examples" in above else above[-1:]
        words = ["python", "/".join([*folders, name])]
    else:
        words = [script.name] if script.is_absolute() else sys.argv[0].split()  # "scratchnn train", as command.py says
    return shlex.join([*words, *sys.argv[1:]])


def read(path: Path) -> dict[str, Any]:
    """What the file of a figure carries: Command, Settings (a dict), Drawn by, Code; empty if it carries nothing."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            text = {str(name): value for name, value in image.info.items() if isinstance(value, str)}
    except UnidentifiedImageError:
        return {}
    return {**text, "Settings": json.loads(text["Settings"])} if "Settings" in text else {}
