"""What the capstones share: pieces that must be right before anything is trained, pictures, and a certificate."""

from __future__ import annotations

import base64
import html
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scratchnn.exercises.exercise import Finding, file_name
from scratchnn.exercises.terminal import say
from scratchnn.exercises.verdict import Verdict
from scratchnn.machinery.files import written_whole
from scratchnn.machinery.parameters import Array


def pieces(answer: Any, names: Sequence[str], seed: int) -> list[Finding]:
    """Whether the learner's earlier exercises are right: of a wrong piece a training often says nothing."""
    if not hasattr(answer, "beside"):  # the library's own solutions
        return []
    return [piece(name, answer.beside(name, seed)) for name in names]


def piece(name: str, verdict: Verdict) -> Finding:
    wrong = [array for array in verdict.report.arrays if not array.passed] if verdict.report else []
    why = verdict.sentence or "; ".join(a.diagnosis.fact if a.diagnosis else f"{a.name} is wrong" for a in wrong)
    return Finding(f"your {file_name(name)}", verdict.passed, f"look at the exercise {name} first: {why}")


def progress(step: int, loss: float) -> None:
    """What a training says from time to time."""
    say(f"  step {step:5}   loss {loss:.4f}", wrap=False)


def png(images: Array, shape: tuple[int, int], columns: int, scale: int = 6) -> bytes:
    """A picture of images (N, H·W) of numbers from 0 to 1, in rows of `columns`, dark on light."""
    height, width = shape
    rows = -(-len(images) // columns)
    canvas = np.zeros((rows * (height + 1) + 1, columns * (width + 1) + 1))
    for k, image in enumerate(images):
        top, left = (k // columns) * (height + 1) + 1, (k % columns) * (width + 1) + 1
        canvas[top : top + height, left : left + width] = np.reshape(image, shape)
    grey = (255 * (1 - np.clip(canvas, 0, 1))).astype(np.uint8).repeat(scale, axis=0).repeat(scale, axis=1)
    lines = b"".join(b"\0" + line.tobytes() for line in grey)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 40em; margin: 2em auto; padding: 0 1em; color: #222; }}
td {{ padding: .1em 1.5em .1em 0; }} td + td {{ text-align: right; font-variant-numeric: tabular-nums; }}
img {{ max-width: 100%; image-rendering: pixelated; border: 1px solid #999; }}
</style>
<h1>{title}</h1>
<p>{text}</p>
<table>
{rows}
</table>
<p><img alt="{caption}" src="data:image/png;base64,{picture}"></p>
<p>{caption}</p>
</html>
"""


def certificate(answer: Any, title: str, text: str, numbers: Mapping[str, str], picture: bytes, caption: str) -> None:
    """Writes a page beside the learner's file, with every number and the picture."""
    file = getattr(answer, "file", None)
    if file is None:
        return
    rows = "\n".join(f"<tr><td>{html.escape(k)}</td><td>{html.escape(v)}</td></tr>" for k, v in numbers.items())
    page = PAGE.format(
        title=html.escape(title), text=html.escape(text), rows=rows, caption=html.escape(caption),
        picture=base64.b64encode(picture).decode("ascii"),
    )  # fmt: skip
    path = Path(file).with_suffix(".html")
    with written_whole(path) as stream:
        stream.write(page.encode())
    say(f"{path} written: your certificate", wrap=False)
