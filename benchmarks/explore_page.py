"""How long the explorer's page takes in Chromium: to its first picture, and for an image.

    python -m benchmarks.explore_page docs/models/mnist.npz docs/models/fashion-mnist.npz

Each page is written by scratchnn explore and opened from its file through playwright.
The bars are a second to the first picture, and 16 ms an image, the time between two frames. Both are told by the clock,
and in time of the processor, which tells more on a machine that is busy. Beside the given runs stands the thesis's
network of 500 hidden units as it starts.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from scratchnn.scripts import cli
from scratchnn.scripts.explore_page import in_page, name_of, page
from scratchnn.scripts.thesis import thesis_vae
from scratchnn.scripts.trained import load_trained, points_of
from scratchnn.training.runs import OptionError
from scratchnn.training.weights import Points

TIMES = 7  # a page is opened
FIRST = "performance.getEntriesByName('first picture')[0].startTime"
MOVE = """() => {
    const began = performance.now();
    for (let k = 0; k < 100; k++) panels[0].moveTo(panels[0].places[k % panels[0].n].slice());
    return (performance.now() - began) / 100;
}"""


def of_thesis() -> str:
    """A page with the thesis's network, as it starts."""
    rng = np.random.default_rng(0)
    points = Points(rng.standard_normal((2000, 2)).astype(np.float32), None, (28, 28))
    return page("thesis", [in_page(thesis_vae(784, 500, 2, rng), "thesis", points, 0.05)])


def of_run(run: Path) -> str:
    model, settings, points = load_trained(run)
    points = points_of(model, settings, 2000) if points is None else points
    return page(str(run), [in_page(model, name_of(model, settings), points, 0.05)])


def opened_once(browser: Any, file: Path) -> tuple[float, float, float, float]:
    """Milliseconds to the first picture and for an image, each by the clock and of the page's thread."""
    context = browser.new_context()
    opened = context.new_page()
    tools = context.new_cdp_session(opened)
    tools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy() -> float:
        metrics = {each["name"]: each["value"] for each in tools.send("Performance.getMetrics")["metrics"]}
        return float(1000 * metrics["TaskDuration"])

    opened.goto(file.as_uri())
    loaded, first = busy(), opened.evaluate(FIRST)
    while not opened.evaluate("panels[0].tiles.width"):  # the map's images are made after the first picture
        opened.wait_for_timeout(50)
    before = busy()
    image = opened.evaluate(MOVE)
    after = busy()
    context.close()
    return first, loaded, image, (after - before) / 100


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="*", metavar="RUN", help="a run, or a file of weights")
    args = parser.parse_args()
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    try:
        playwright: Any = importlib.import_module("playwright.sync_api")
    except ModuleNotFoundError as error:
        raise OptionError("this needs playwright: python -m pip install playwright") from error
    pages = {str(run): of_run(run) for run in args.runs} | {"784-500-500-2": of_thesis()}
    print(f"{'page':<34}{'kB':>7}{'first picture, processor':>32}{'an image, processor':>26}")
    with tempfile.TemporaryDirectory() as folder, playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for name, text in pages.items():
            file = Path(folder) / "page.html"
            file.write_text(text, encoding="utf-8")
            found = [opened_once(browser, file) for _ in range(TIMES)]
            first, cpu, image, cpu_image = (statistics.median(column) for column in zip(*found, strict=True))
            size = len(text.encode()) / 1000
            print(
                f"{name:<34}{size:>7,.0f}{first:>20.0f} ms{cpu:>6.0f} ms{image:>14.2f} ms{cpu_image:>6.2f} ms",
                flush=True,
            )
        browser.close()


if __name__ == "__main__":
    cli.run(lambda _: main())
