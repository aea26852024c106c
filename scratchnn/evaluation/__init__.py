"""What a trained model is worth: bounds.py (floors, log p(x)), latent.py (what codes hold), classification.py,
generation.py (what generated images are worth), quadrature.py (log p(x) and the posterior for few dimensions),
levels.py (densities as probabilities of grey levels)."""

from scratchnn.evaluation.bounds import (
    DENSITIES,
    ImportanceWeighted,
    bernoulli_floor,
    entropy,
    importance_weighted,
    mean_image_loss,
)
from scratchnn.evaluation.classification import accuracy, confusion_matrix, predicted_classes
from scratchnn.evaluation.generation import precision_and_recall
from scratchnn.evaluation.latent import (
    LatentUse,
    PrincipalComponents,
    RateSplit,
    encode,
    latent_use,
    principal_components,
    reconstruction_error,
    split_rate,
    t_sne,
)
from scratchnn.evaluation.levels import log_prob_of_levels
from scratchnn.evaluation.quadrature import OnGrid, QuadratureError, on_grid

__all__ = [
    "DENSITIES",
    "ImportanceWeighted",
    "LatentUse",
    "OnGrid",
    "PrincipalComponents",
    "QuadratureError",
    "RateSplit",
    "accuracy",
    "bernoulli_floor",
    "confusion_matrix",
    "encode",
    "entropy",
    "importance_weighted",
    "latent_use",
    "log_prob_of_levels",
    "mean_image_loss",
    "on_grid",
    "precision_and_recall",
    "predicted_classes",
    "principal_components",
    "reconstruction_error",
    "split_rate",
    "t_sne",
]
