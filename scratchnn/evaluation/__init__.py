"""What a trained model is worth: bounds.py (floors, log p(x)), latent.py (what codes hold), classification.py,
generation.py (what generated images are worth)."""

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
    encode,
    latent_use,
    principal_components,
    reconstruction_error,
    t_sne,
)

__all__ = [
    "DENSITIES",
    "ImportanceWeighted",
    "LatentUse",
    "PrincipalComponents",
    "accuracy",
    "bernoulli_floor",
    "confusion_matrix",
    "encode",
    "entropy",
    "importance_weighted",
    "latent_use",
    "mean_image_loss",
    "precision_and_recall",
    "predicted_classes",
    "principal_components",
    "reconstruction_error",
    "t_sne",
]
