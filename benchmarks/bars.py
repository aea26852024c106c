"""What the library is to reach: ratios of times, each with a bar and with what is hoped for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.peers import FLOOR
from benchmarks.results import Race


@dataclass(frozen=True)
class Bar:
    """The time of the fastest of ours ÷ that of `rival`, in the race of this name."""

    race: str
    what: str
    rival: str
    bar: float
    hope: float | None = None


DEFAULT, FUSED = "PyTorch, default Adam", "PyTorch, fused Adam"

BARS = (
    Bar("vae", "an epoch of the thesis's VAE", DEFAULT, 0.72, 0.60),
    Bar("vae", "an epoch of the thesis's VAE", FUSED, 0.95, 0.85),
    Bar("vae", "an epoch of the thesis's VAE", "JAX, jit", 1.15, 1.0),
    Bar("vae", "an epoch of the thesis's VAE", "TensorFlow, tf.function", 0.62, 0.55),
    Bar("vae", "an epoch of the thesis's VAE", FLOOR, 1.5, 1.3),
    Bar("no-dropout", "an epoch of the convolutional autoencoder", DEFAULT, 1.0, 0.6),
    Bar("as-printed", "the same with dropout as printed", DEFAULT, 1.0, 0.6),
    Bar("dense", "an epoch of the dense autoencoder", "Keras, fit", 0.6),
    Bar("adam", "a step of Adam", DEFAULT, 0.4, 0.25),
)


def verdict(bar: Bar, races: Sequence[Race]) -> tuple[str, str]:
    """The ratio with its spread, and whether the bar and the hope are met."""
    race = next((race for race in races if race.name == bar.race), None)
    if race is None or bar.rival not in race.times:
        return "—", "not measured"
    ratios = race.ratio(race.best, bar.rival)
    middle = float(np.median(ratios))
    if middle > bar.bar:
        met = "**missed**"
    elif bar.hope is None:
        met = "met"
    else:
        met = "met, and the hope as well" if middle <= bar.hope else "met; the hope is missed"
    return f"{middle:.2f} ({ratios.min():.2f}–{ratios.max():.2f})", met


def missed(races: Sequence[Race]) -> list[str]:
    """The names of the races in which a bar or a hope was missed, in order."""
    verdicts = {bar: verdict(bar, races)[1] for bar in BARS}
    return list(dict.fromkeys(bar.race for bar, met in verdicts.items() if "missed" in met))
