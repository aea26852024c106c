"""Packages that only some of the library needs: where one is missing, a sentence says how to install it."""

from __future__ import annotations

EXTRAS = {
    "dask": "cluster", "distributed": "cluster", "mpi4py": "mpi", "rich": "exercises",
    "joblib": "examples", "matplotlib": "examples", "pooch": "examples", "scipy": "examples", "sklearn": "examples",
    "jax": "jax", "pandas": "logs", "safetensors": "safetensors", "tensorboard": "logs", "torch": "torch",
}  # fmt: skip


class MissingExtraError(ModuleNotFoundError):
    """A package that is not installed, and the extra that brings it."""


def missing(error: ModuleNotFoundError, what: str) -> MissingExtraError:
    """What to raise from a failed import of a package that `what` needs."""
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        raise error
    return MissingExtraError(
        f'{what} needs {package}: python -m pip install "scratchnn[{EXTRAS[package]}]"', name=package
    )
