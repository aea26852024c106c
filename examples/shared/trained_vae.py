"""A trained VAE, for the scripts that build on one: read from a run and checked, or a small one trained first."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from scratchnn.layers import Dense, ReLU
from scratchnn.likelihoods import Bernoulli
from scratchnn.scripts import train
from scratchnn.scripts.trained import load_trained
from scratchnn.training.checkpoints import CheckpointError
from scratchnn.vae import VAE

SMALL = ("--data", "digits", "--latent", "10", "--hidden", "100", "--epochs", "100")


def load_vae(run: Path, otherwise: str) -> tuple[VAE, dict[str, Any]]:
    """The VAE of a run of examples/vae.py, or of a file of weights, and its settings; CheckpointError if it is another.

    `otherwise` ends that sentence: why it has to be a VAE, or what to do.
    """
    model, settings, _ = load_trained(run)
    if not isinstance(model, VAE):
        raise CheckpointError(f"{run} holds a model of class {type(model).__name__}{otherwise}")
    return model, settings


def expect_dense(model: VAE, run: Path) -> None:
    """CheckpointError unless it is the thesis's kind, dense layers and a Bernoulli likelihood, whose draws are N(0, 1):
    what is said of the VAE beside others is said of that."""
    layers = [*model.encoder.parts.values(), *model.decoder.parts.values()]
    others = [part for part in (*layers, model.likelihood) if not isinstance(part, Dense | ReLU | Bernoulli)]
    if others or type(model) is not VAE:
        raise CheckpointError(
            f"--vae {run} is no VAE of dense layers with a Bernoulli likelihood ({(others or [model])[0]!r}): "
            "train one with python examples/vae.py"
        )


def vae_for(args: argparse.Namespace, **wanted: str) -> VAE:
    """The VAE of the run --vae, which must have been trained with the settings that are wanted; without --vae, a small
    one of the digits, trained in a folder of --out."""
    if args.vae is None:
        args.vae = args.out / "vae"
        print(f"no --vae given: first a small one is trained on the digits, in {args.vae}")
        train.main([*SMALL, "--seed", str(args.seed), "--out", str(args.vae)])
    model, settings = load_vae(args.vae, ": give --vae a run of examples/vae.py")
    for name, value in wanted.items():
        if settings.get(name) != value:
            raise CheckpointError(
                f"the VAE in {args.vae} was trained with --{name} {settings.get(name)}, and the images here are those "
                f"of --{name} {value}: train another with python examples/vae.py --data {args.data}"
            )
    return model
