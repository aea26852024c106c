"""Which figures of the page no longer show what the present code would draw, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import scratchnn
from scratchnn.scripts import provenance

ROOT = Path(__file__).resolve().parents[2]


def why_stale(figure: Path, runs: Path) -> str:
    """Why a figure of the page has to be drawn again; nothing if it has not.

    `runs` is the folder with what is kept of the runs; a figure is named after the run that it shows.
    """
    if not figure.exists():
        return "it is not there"
    found = provenance.read(figure)
    if not found:
        return "it does not say what has made it"
    if code_now(found["Drawn by"]) != found["Code"]:
        return f"{found['Drawn by']} draws in another way now"
    if settings_now(figure, runs) not in (None, found["Settings"]):
        return "the run that it shows has other settings now"
    return ""


def code_now(drawn_by: str) -> str | None:
    """The present fingerprint of the function that a figure names; None if it is gone."""
    place, name = drawn_by.split(":")
    places = [Path(scratchnn.__file__).parent, ROOT / "examples", ROOT / "benchmarks"]
    paths = [path for top in places for path in top.rglob(Path(place).name)]
    for path in paths:
        source = path.read_text(encoding="utf-8")
        if path.parts[-2:] == Path(place).parts and name in provenance.top_level(source):
            return provenance.fingerprint(source, name)
    return None


def settings_now(figure: Path, runs: Path) -> Any:
    """The settings of the kept run that a figure is named after; None if none is kept."""
    names = [run.name for run in runs.iterdir() if figure.name.startswith(f"{run.name}-")] if runs.is_dir() else []
    if not names:
        return None
    summary = runs / max(names, key=len) / "summary.json"  # vae-mnist-z2-seed0-log-likelihood is a run of its own
    return json.loads(summary.read_text(encoding="utf-8"))["settings"]
