"""Wrong answers to `dropout`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant

KEEP = 0.7


@mutant("SCALE:keep:dx")
def not_divided(dy, mask):
    return dy * mask


@mutant("SCALE:keep²:dx")
def multiplied_in_the_place_of_divided(dy, mask):
    return dy * mask * KEEP


@mutant("SCALE:keep/(1 − keep):dx")
def divided_by_the_probability_of_dropping(dy, mask):
    return dy * mask / (1 - KEEP)


@mutant("ONLY-WHERE:the entry is dropped:dx")
def no_mask(dy, mask):
    return dy / KEEP


@mutant("ONLY-WHERE:the entry is dropped & SCALE:keep:dx")
def as_at_test_time(dy, mask):
    return dy.copy()


@mutant("FORMULA:the mask turned round:dx")
def mask_turned_round(dy, mask):
    return dy * (1 - mask) / KEEP


@mutant("FORMULA:the mask turned round & SCALE:keep:dx")
def mask_turned_round_and_not_divided(dy, mask):
    return np.where(mask == 0, dy, 0.0)


@mutant("IGNORES-UPSTREAM:dx")
def no_upstream(dy, mask):
    return mask / KEEP


@mutant("CONTRACT")
def draws_its_own_mask(dy, mask):
    return dy * (np.random.default_rng().random(dy.shape) < KEEP) / KEEP


@mutant("UNKNOWN:dx")
def draws_its_own_mask_from_a_seed(dy, mask):
    return dy * (np.random.default_rng(0).random(dy.shape) < KEEP) / KEEP


@mutant("CONTRACT")
def in_place(dy, mask):
    dy *= mask
    dy /= KEEP
    return dy


@mutant("FLOAT32:dx")
def single_precision(dy, mask):
    return dy.astype(np.float32) * mask.astype(np.float32) / KEEP
