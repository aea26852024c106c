"""Rate and distortion: what the weight β of the KL buys, where a latent space collapses, and what a warm-up changes.

Read a VAE as a code. To send z for an image costs KL(q(z|x) ‖ p(z)) nats on average, the *rate* R: z itself costs
−log p(z), but its draw from q can be chosen by other bits that are to be sent, and these −log q(z|x) nats come back
("bits back", Hinton & van Camp 1993). To send what z does not say of x costs −E_q[log p(x|z)] nats more, the
*distortion* D. Their sum is −ELBO. With a weight β, D + β R is minimised, which is −ELBO for β = 1 alone: β is the
price of a nat of rate, in nats of distortion (Higgins et al., "β-VAE", 2017; Alemi et al., "Fixing a broken ELBO",
2018). Half a minute on the digits that come with the library.
"""

# %%
# **Seven prices.** Black and white digits, always the same ones, and a latent space of ten dimensions. Each price has a
# network of its own. All seven are copies of one, trained with β = ½ until its dimensions are in use, and go on from
# there with their own β.

import copy
from typing import Any

import numpy as np

from scratchnn import VAE, Adam, data
from scratchnn.evaluation import latent_use, mean_image_loss, split_rate
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import figures
from scratchnn.scripts.lecture import Lecture, train
from scratchnn.scripts.thesis import thesis_vae
from scratchnn.training import Trainer, evaluate, falling, set_beta, set_learning_rate, warm_up
from scratchnn.training.loop import AfterEpoch

lecture = Lecture("rate_and_distortion")
SEED = 0
FIRST = 120  # epochs with β = ½
OWN = 60  # and with a network's own β
BETAS = (0.1, 0.25, 0.5, 1, 2, 3, 10)
N_Z = 10

digits = data.load("digits")
training, test = (data.binarise_held_out(part, "threshold") for part in (digits.train, digits.test))


def trained(model: VAE, epochs: int, seed: int, *after_epoch: AfterEpoch) -> VAE:
    """The model after so many epochs more."""
    trainer = Trainer(model, Adam(model, lr=0.003), np.random.default_rng(seed))
    train(trainer, training, epochs, after_epoch=after_epoch)
    return model


def measured(model: VAE, images: data.Images) -> tuple[float, float]:
    """Rate and distortion of the images, the mean over eight draws of z for each."""
    terms = [evaluate(model, images, seed=seed) for seed in range(8)]
    return terms[0]["kl"], float(np.mean([of["reconstruction"] for of in terms]))


print(f"1. The same network with {len(BETAS)} weights of the KL")
start = thesis_vae(64, 100, N_Z, np.random.default_rng(SEED))
start.beta = 0.5
trained(start, FIRST, SEED)
models = []
for beta in BETAS:
    model = copy.deepcopy(start)
    model.beta = beta
    print(f"   β = {beta:<5}", end="")
    models.append(trained(model, OWN, SEED + 1, set_learning_rate(falling(0.003, 0.0001, OWN))))

# %%
# **The curve.** D + β R is minimised on the training images, so there the curve is read: a higher price, a lower rate,
# and more distortion. Of the sums R + D the smallest is that of β = 1, which alone minimises it. The test images show
# what a low price also does: the network memorises its training images, and the distortion of others is several times
# as large. Which price has the smallest sum on test images depends on the length of the training.
#
# A dimension of z is an *active unit* if the variance of its mean over the images is above 0.01 (Burda et al. 2016).
# The threshold is a convention: a dimension just above it says next to nothing of x.

rate, distortion = np.array([measured(model, training) for model in models]).T
rate_test, distortion_test = np.array([measured(model, test) for model in models]).T
use = [latent_use(model, training) for model in models]
active = [int(of.active.sum()) for of in use]
print("\n2. What they pay, in nats per image")
print("             training images             test images")
print("      β    rate  distortion  −ELBO    rate  distortion  −ELBO   active units")
for k, beta in enumerate(BETAS):
    print(f"{beta:7} {rate[k]:7.3f} {distortion[k]:11.3f} {rate[k] + distortion[k]:6.2f} "
          f"{rate_test[k]:7.3f} {distortion_test[k]:11.3f} {rate_test[k] + distortion_test[k]:6.2f} "
          f"{active[k]:9} of {N_Z}")  # fmt: skip
print("   −ELBO = rate + distortion, with β = 1 for all of them")

# %%
# **The slope is −β.** Where D + β R is smallest, a little more rate saves β times as much distortion: ∂D/∂R = −β.
# Between two neighbours, without a derivative: the network of β₁ is the better one at the price β₁, and that of β₂ > β₁
# at the price β₂,
#
#     D₁ + β₁ R₁ ≤ D₂ + β₁ R₂   and   D₂ + β₂ R₂ ≤ D₁ + β₂ R₁
#
# so the distortion that a nat of rate saves on the way, (D₂ − D₁)/(R₁ − R₂), lies between β₁ and β₂. That is so of true
# minima; of networks it shows whether their training came near enough.

saved = -np.diff(distortion) / np.diff(rate)
print("\n3. Distortion saved by a nat of rate, between neighbours")
for k, slope in enumerate(saved):
    low, high = BETAS[k : k + 2]
    where = "between the two" if low <= slope <= high else "not between the two"
    print(f"   from β = {high:<4} to {low:<4} {slope:6.3f}   {where}")

# %%
# **Two parts of the rate.** q(z) is the mean of the q(z|x) of all images. Then R = I(x; z) + KL(q(z) ‖ p(z)): what z
# says about its image, and how far the z of all images are from N(0, I). Of N images, I(x; z) can be log N at most:
# then z tells which one it is. Rate beyond that says nothing more about them. It moves q(z) away from the prior, from
# which new images are drawn.

splits = [split_rate(model, training) for model in models]
print(f"\n4. The rate in two parts; log N = {np.log(len(training)):.3f}")
print("      β    rate  = I(x; z)  + KL(q(z) ‖ p(z))")
for beta, split in zip(BETAS, splits, strict=True):
    print(f"{beta:7} {split.rate:7.3f} {split.information:9.3f} {split.to_prior:10.3f}   ± {split.error:.3f}")

# %%
# **Collapse.** A dimension of z is worth its rate as long as a nat of it saves more than β nats of distortion. Above
# that price it is given up: q(z_j|x) is N(0, 1) for every image, whatever the decoder could have done with it. When all
# are given up, one mean image is shown for all, and its loss is the distortion.

mean_image = mean_image_loss(training)
print("\n5. Collapse: KL of the dimensions, largest first")
for beta, of in zip(BETAS, use, strict=True):
    print(f"   β = {beta:<5}" + "".join(f"{kl:7.3f}" for kl in np.sort(of.kl)[::-1]))
print(f"   one mean image for all has the distortion {mean_image:.3f}; β = {BETAS[-1]} has {distortion[-1]:.3f}")

# %%
# **Warm-up.** From scratch, the decoder cannot use z yet, and all that the KL does at first is to make z useless. With
# a weight that rises from 0 to β over the first epochs, dimensions come into use before they cost (Bowman et al.,
# "Generating sentences from a continuous space", 2016; Sønderby et al., "Ladder variational autoencoders", 2016). Both
# trainings are of the same length and end with the same β. After the warm-up the rate is higher and the loss lower, for
# each seed. Often more units are active, but not always: a dimension just above the threshold counts, and costs little.

FINAL = 2  # the β of both
EPOCHS = 60
RISING = 20
SEEDS = 3
print(f"\n6. β = {FINAL} from scratch in {EPOCHS} epochs, at once, and after a warm-up of {RISING}")
at_once: list[Any] = []
warmed_up: list[Any] = []
for seed in range(SEEDS):
    for weight, results in ((lambda epoch: FINAL, at_once), (warm_up(FINAL, RISING), warmed_up)):
        model = thesis_vae(64, 100, N_Z, np.random.default_rng(seed))
        model.beta = weight(1)
        trained(model, EPOCHS, seed, set_beta(model, weight))
        r, d = measured(model, training)
        results.append((int(latent_use(model, training).active.sum()), r, d + FINAL * r))
print("   seed   active units         rate           D + βR")
for seed, (once, warm) in enumerate(zip(at_once, warmed_up, strict=True)):
    print(f"   {seed:4} {once[0]:6} → {warm[0]:<4} {once[1]:8.2f} → {warm[1]:.2f} {once[2]:8.2f} → {warm[2]:.2f}")

# %%
# **In one picture.** Each orange line has the slope −β. In the middle, the rate in its two parts, and how many
# dimensions are active. On the right, three prices: what the decoder makes of the means of q(z|x) of test images, and
# of z from N(0, I). With β = 0.1 images come back sharp, but z from the prior lies where hardly any image was encoded.
# With β = 3 both are blurred: a z that says little does not tell images apart, and the decoder shows their mean.

title = "A higher price β lowers the rate and adds distortion: images blur, and with β = 10 nothing is left in z"
figure = figures.new_figure(12, 4.6, title)
left, middle, right = figure.subplots(1, 3, width_ratios=[1.1, 0.8, 1.3])
reach = 0.12 * np.hypot(np.ptp(rate), np.ptp(distortion))
for k, beta in enumerate(BETAS):
    step = reach / np.hypot(1, beta)
    left.plot(rate[k] + [-step, step], distortion[k] + [beta * step, -beta * step], color="#ffa90e", linewidth=2,
              label="slope −β" if k == 0 else None)  # fmt: skip
    left.annotate(f"β = {beta}", (rate[k], distortion[k]), (7, 5), textcoords="offset points", fontsize=8)
left.plot(rate, distortion, "o-", color="#1b4f86", markersize=4, linewidth=1, label="training images")
left.axhline(mean_image, color="black", linestyle=":", linewidth=1, label="one mean image for all")
sums = rate + distortion
k = int(sums.argmin())
name = f"R + D = {sums[k]:.1f}, the smallest −ELBO"
left.axline((0, sums[k]), slope=-1, color="#94a4a2", linestyle="--", linewidth=1, label=name)
left.set(xlabel="rate R (nats per image)", ylabel="distortion D (nats per image)", xlim=(-1, None), ylim=(0, 28))
left.set_title("rate and distortion", fontsize=10)
left.legend(fontsize=7, loc="upper right", bbox_to_anchor=(1, 0.9))

places = np.arange(len(BETAS))
information, to_prior = (np.array([getattr(split, name) for split in splits]) for name in ("information", "to_prior"))
middle.bar(places, information, color="#3f90da", label="I(x; z)")
middle.bar(places, to_prior, bottom=information, color="#94a4a2", label="KL(q(z) ‖ p(z))")
middle.plot([-0.5, len(BETAS) - 0.5], [np.log(len(training))] * 2, "k:", linewidth=1, label="log N")
for place, n in zip(places, active, strict=True):
    middle.annotate(f"{n}", (place, rate[place]), (0, 3), textcoords="offset points", ha="center", fontsize=8)
middle.set_xticks(places, [f"{beta}" for beta in BETAS])
middle.set(xlabel="β", ylabel="rate (nats per image)", ylim=(0, 1.1 * rate.max()))
middle.set_title("the rate's two parts; above: active units", fontsize=10)
middle.legend(fontsize=8)

SHOWN = (0.1, 1, 3)
ACROSS = 8
rows: dict[str, Array] = {"test images": test[:ACROSS]}
for beta in SHOWN:
    model = models[BETAS.index(beta)]
    rows[f"β = {beta}, z = mean of q"] = model.reconstruct(test[:ACROSS])
    rows[f"β = {beta}, z from N(0, I)"] = model.generate(ACROSS, np.random.default_rng(SEED))
right.imshow(figures.mosaic(np.concatenate(list(rows.values())), (8, 8), ACROSS), cmap="gray", vmin=0, vmax=1)
right.set_yticks(figures.middles(len(rows), 8), list(rows), fontsize=8)
right.set_xticks([])
right.tick_params(length=0)
right.set_title("decoded", fontsize=10)
lecture.show(figure)
