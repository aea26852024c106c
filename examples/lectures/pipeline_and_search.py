"""A VAE in scikit-learn's pipelines and searches: codes as features, the bound as a score, and what labels are worth.

scikit-learn has one interface for all that learns: `fit`, `transform`, `score`, settings with names. What has it can be
used in a pipeline, and a grid search finds its settings. `VAETransformer` (scratchnn/estimators.py) is the library's
VAE with this interface: its codes are means of q(z|x), its score is a lower bound on log p(x), which needs no labels.
On the digits that come with the library it takes half a minute.
"""

# %%
# **A transformer with a score.** Black and white digits, 64 numbers 0 or 1, for which "bernoulli" is a probability.
# `score_samples` draws z from q(z|x), K times for each image: the more, the nearer its average is to log p(x), from
# below. All images get the same K draws of noise, so the score of one does not depend on which others are there.

import numpy as np

from scratchnn.scripts import figures  # before what may not be installed: then one sentence says so

# isort: split
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer

from scratchnn import data
from scratchnn.estimators import VAETransformer
from scratchnn.machinery.parameters import Array
from scratchnn.scripts.lecture import Lecture

lecture = Lecture("pipeline_and_search")
EPOCHS = 50
FOLDS = 3
SIZES = (2, 5, 10, 20)
SMALL = (2, 5)
LABELS = (10, 20, 50, 100, 300)
REPEATS = 5

digits = data.load("digits")
X, X_test = digits.train[:], digits.test[:]  # grey, from 0 to 1
y, y_test = data.labels_of(digits.train), data.labels_of(digits.test)

binary = Binarizer(threshold=0.5)
coder = VAETransformer(10, likelihood="bernoulli", learning_rate_init=0.003, max_iter=EPOCHS, random_state=0)
model = make_pipeline(binary, clone(coder)).fit(X)
vae = model[-1]
print(f"1. Ten numbers for {X.shape[1]} pixels: codes of shape {model.transform(X_test).shape}")
print("   a bound on log p(x) of test images, in nats, by K draws of z")
bounds = {}
for draws in (1, 10, 100):
    bounds[draws] = vae.set_params(n_score_draws=draws).score(binary.transform(X_test))
    print(f"   K = {draws:<4} {bounds[draws]:8.2f}")

# %%
# **How many numbers? Two judges.** A search over the size of the code asks for a score on images that were held out,
# FOLDS times. Without labels the score is the bound; with them, the accuracy of a classifier on the codes, all in one
# pipeline that learns from the training folds alone. They need not agree. The bound counts every pixel, and gains as
# much by what tells a thin stroke from a thick one as by what tells a 3 from an 8; the classifier gains by the second.

by_bound = GridSearchCV(make_pipeline(binary, coder), {"vaetransformer__n_components": SIZES}, cv=FOLDS)
by_accuracy = GridSearchCV(
    make_pipeline(binary, coder, LogisticRegression(C=10, max_iter=2000)),
    {"vaetransformer__n_components": SIZES}, cv=FOLDS,
)  # fmt: skip
by_bound.fit(X)
by_accuracy.fit(X, y)
of_bound, of_accuracy = (search.cv_results_["mean_test_score"] for search in (by_bound, by_accuracy))
print(f"\n2. Held-out scores by the size of the code, {FOLDS} folds")
print("   numbers   bound (nats)   accuracy of a classifier on the codes")
for size, bound, share in zip(SIZES, of_bound, of_accuracy, strict=True):
    print(f"   {size:7} {bound:14.2f} {100 * share:14.1f} %")
best = {
    "the bound": by_bound.best_params_["vaetransformer__n_components"],
    "the accuracy": by_accuracy.best_params_["vaetransformer__n_components"],
}
print("   chosen: " + ", ".join(f"{size} by {judge}" for judge, size in best.items()))
print(f"   the classifier's pipeline on test images: {100 * by_accuracy.score(X_test, y_test):.1f} %")

# %%
# **What labels are worth.** Codes need no labels. So a VAE, or PCA, learns from all training images, and a classifier
# from those few that have a label: always the same one, on all pixels, or on two or five numbers. The labelled images
# are drawn REPEATS times, in equal numbers from the classes.
#
# A code this small is where a VAE is useful. As many principal components are a linear map of the pixels, and worth
# less at every number of labels. With very few labels the five numbers are about as good as all 64 pixels; with more,
# the pixels are better, and a linear classifier finds them easy here. That codes made without labels help is often
# hoped for, and has to be measured in each case.

coders = {"pixels": binary}
for n in SMALL:
    coders[f"PCA, {n} numbers"] = make_pipeline(binary, PCA(n, random_state=0))
    coders[f"VAE, {n} numbers"] = make_pipeline(binary, clone(coder).set_params(n_components=n))
features = {name: (of.fit(X).transform(X), of.transform(X_test)) for name, of in coders.items()}


def labelled(n: int, seed: int) -> Array:
    """n rows, in turn one of each class, in an order that the seed decides."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    is_class = y[order, None] == np.unique(y)
    turn = is_class.cumsum(axis=0)[is_class]  # 1 for the first image of its class, 2 for the second, …
    return order[np.argsort(turn, kind="stable")][:n]


rows = {(n, seed): labelled(n, seed) for n in LABELS for seed in range(REPEATS)}
accuracy = {
    name: np.array([
        [LogisticRegression(C=10, max_iter=2000).fit(train[rows[n, seed]], y[rows[n, seed]]).score(test, y_test)
         for seed in range(REPEATS)]
        for n in LABELS
    ])
    for name, (train, test) in features.items()
}  # fmt: skip
print(f"\n3. Test accuracy against the number of labels, mean ± standard deviation over {REPEATS} draws of them")
print("   " + f"{'labels':<20}" + "".join(f"{n:>15,}" for n in LABELS))
for name, shares in accuracy.items():
    cells = [f"{100 * of.mean():.1f} ± {100 * of.std(ddof=1):.1f} %" for of in shares]
    print("   " + f"{name:<20}" + "".join(f"{cell:>15}" for cell in cells))

# %%
# **In one picture.** On the left the two judges of a size, on the right the worth of labels.

title = "Held-out scores choose a size of the code; a VAE's few numbers are worth more than as many of PCA"
figure = figures.new_figure(11, 4.4, title)
left, right = figure.subplots(1, 2, width_ratios=[1, 1.15])
places = np.arange(len(SIZES))
left.plot(places, of_bound, "o-", color="#3f90da")
left.set_xticks(places, [f"{size}" for size in SIZES])
left.set(xlabel="numbers in a code")
left.set_ylabel("● bound on log p(x), nats", color="#1b4f86")
left.set_title("two judges of a size, on held-out images", fontsize=10)
other = left.twinx()
other.plot(places, 100 * of_accuracy, "s--", color="#bd1f01")
other.set_ylabel("■ accuracy of a classifier on the codes, %", color="#bd1f01")
for name, shares in accuracy.items():
    colour, marker = {"p": ("black", "^"), "P": ("#ffa90e", "s"), "V": ("#3f90da", "o")}[name[0]]
    dashed = f" {SMALL[0]} " in name
    right.plot(LABELS, 100 * shares.mean(axis=1), marker + ("--" if dashed else "-"), color=colour, label=name)
right.set(xscale="log", xlabel="labels", ylabel="test accuracy, %")
right.set_xticks(LABELS, [f"{n:,}" for n in LABELS])
right.minorticks_off()
right.grid(alpha=0.25)
right.set_title(f"one classifier on five kinds of features, mean of {REPEATS} draws", fontsize=10)
right.legend(fontsize=8, loc="lower right", ncols=2)
lecture.show(figure)
