"""Which test holds which function's values against other means: the list that leaves none out.

A new function of the library fails tests/test_numbers.py until it stands here, or in a list of references there.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

from scratchnn import IWAE, VAE, Autoencoder, Classifier, likelihoods, losses

ROOMS = (
    "init", "layers", "losses", "likelihoods", "grey_likelihoods", "vae", "iwae", "autoencoder", "classifier", "optim",
    "data", "evaluation", "machinery",
)  # fmt: skip

HELD = {  # by the file and the test that holds the values of these against other means
    "test_init.py": {
        "test_variances": "init.lecun_normal init.thesis_bias",
        "test_the_uniform_distribution_ends_where_its_variance_says": "init.glorot_uniform",
        "test_pytorch_s_values_have_a_third_of_the_variance_that_keeps_a_signal": "init.pytorch_uniform",
    },
    "test_layers.py": {
        "test_sigmoid_and_softplus_are_accurate_at_both_ends_of_float32": (
            "layers.activations.sigmoid layers.activations.softplus"
        ),
        "test_log1p_is_accurate_from_0_to_1": "machinery.logarithm.log1p",
        "test_the_logarithm_of_a_mean_is_scipy_s_where_exponentials_overflow": "machinery.logarithm.log_mean_exp",
    },
    "test_convolution.py": {
        "test_columns_are_the_windows_and_adding_them_back_counts_those_that_cover_an_entry": (
            "layers.convolution.pieces layers.convolution.im2col"
        ),
        "test_bands_change_nothing": "layers.convolution.bands",
        "test_padding_is_a_number_or_two_or_four": "layers.convolution.read_padding",
        "test_same_padding_gives_one_output_a_stride_and_puts_an_odd_row_last": "layers.convolution.same_pads",
        "test_results_do_not_depend_on_the_order_in_memory": (
            "machinery.images.batch_first machinery.images.batch_last"
        ),
    },
    "test_compiled.py": {
        "test_col2im_changes_no_bit": "layers.convolution.col2im",
    },
    "test_numbers.py": {
        "test_linear_layers_are_exact": (
            "layers.convolution.correlate layers.convolution.correlate_adjoint "
            "layers.convolution.weight_gradient layers.convolution.pad layers.convolution.crop "
            "layers.pooling.max_pool_adjoint"
        ),
        "test_a_batch_of_images_is_the_quotients_rounded_once": "data.images.Images",
        "test_a_reconstruction_error_is_the_mean_of_squares": "evaluation.latent.reconstruction_error",
    },
    "test_likelihoods.py": {
        "test_samples_have_the_declared_moments": "likelihoods.Bernoulli.sample likelihoods.Gaussian.sample",
        "test_mean_images": "likelihoods.Gaussian.mean",
    },
    "test_grey_likelihoods.py": {
        "test_normaliser_and_mean_to_the_last_digits": (
            "grey_likelihoods.mean_pixel grey_likelihoods.ContinuousBernoulli.mean"
        ),
        "test_draws_of_the_continuous_bernoulli": "grey_likelihoods.ContinuousBernoulli.sample",
        "test_mean_image_and_draws_are_those_of_the_probabilities": (
            "grey_likelihoods.DiscretisedLogistic.mean grey_likelihoods.DiscretisedLogistic.sample"
        ),
        "test_pixels_of_every_data_set_are_levels_in_float32": "machinery.checks.expect_levels",
    },
    "test_vae.py": {
        "test_the_elbo_equals_log_p_at_the_true_posterior": "vae.VAE.forward",
        "test_encode_decode_reconstruct_generate": (
            "vae.VAE.encode vae.VAE.decode vae.VAE.reconstruct vae.VAE.generate"
        ),
        "test_the_gradient_of_one_draw_is_right_on_average": "vae.VAE.backward",
        "test_the_noise_is_the_only_randomness": "vae.VAE.loss_terms",
        "test_several_draws_are_the_mean_over_single_ones": "vae.VAE.for_each_draw vae.VAE.over_draws",
        "test_bad_input_is_named": "vae.VAE.split",
    },
    "test_iwae.py": {
        "test_the_loss_is_the_logarithm_of_the_mean_weight_by_the_densities": "iwae.IWAE.forward",
        "test_every_gradient_is_that_of_finite_differences": "iwae.IWAE.backward",
    },
    "test_optim.py": {
        "test_sgd_with_momentum_by_hand": "optim.SGD",
        "test_a_step_of_adam_is_algorithm_1_as_printed": "optim.Adam",
    },
    "test_data.py": {
        "test_the_digits_are_those_of_scikit_learn_in_its_order": "data.load",
        "test_binary_pixels_have_the_grey_ones_as_their_mean": (
            "data.binarisation.draw_bernoulli data.binarisation.binarise"
        ),
        "test_dynamic_draws_at_every_use_and_fixed_once": (
            "data.binarisation.binarise_held_out data.binarisation.Resampled"
        ),
        "test_idx_files_are_read_as_they_were_written": "data.idx.parse",
        "test_labelled_images_are_pairs_and_need_labels": "data.images.labels_of data.images.Labelled",
        "test_a_reshuffled_split_has_the_same_images_in_other_parts": "data.images.DataSet",
    },
    "test_evaluation.py": {
        "test_floor_and_mean_image_are_losses_of_decoders": (
            "evaluation.bounds.bernoulli_floor evaluation.bounds.mean_image_loss"
        ),
        "test_the_error_of_two_draws_by_hand": "evaluation.bounds.ImportanceWeighted",
        "test_the_estimate_reaches_log_p_of_a_linear_gaussian_model": "evaluation.bounds.importance_weighted",
        "test_grey_pixels_have_no_likelihood": "evaluation.bounds.is_binary",
        "test_the_estimate_is_exact_at_the_true_posterior": "evaluation.bounds.log_weights",
        "test_predicted_classes_are_those_of_the_largest_logits": "evaluation.classification.predicted_classes",
        "test_accuracy_and_confusion_matrix_by_hand_and_by_scikit_learn": (
            "evaluation.classification.accuracy evaluation.classification.confusion_matrix"
        ),
        "test_a_unit_is_active_above_a_hundredth": "evaluation.latent.LatentUse",
        "test_codes_of_many_images_are_those_of_each": (
            "evaluation.latent.PrincipalComponents evaluation.latent.encode evaluation.latent.principal_components"
        ),
        "test_the_use_of_a_dimension_is_the_integral_and_the_mean_of_squares": "evaluation.latent.latent_use",
        "test_the_rate_is_split_as_by_quadrature": "evaluation.latent.split_rate evaluation.latent.RateSplit",
        "test_t_sne_keeps_neighbours_and_repeats_itself": "evaluation.latent.t_sne",
    },
    "test_evaluation_levels.py": {
        "test_bins_of_the_continuous_bernoulli_hold_its_integral": (
            "evaluation.levels.log_prob_continuous_bernoulli evaluation.levels.log_prob_of_levels"
        ),
        "test_bins_of_the_gaussian_hold_its_integral_and_the_end_bins_all_that_is_outside": (
            "evaluation.levels.log_prob_normal"
        ),
    },
    "test_evaluation_generation.py": {
        "test_the_plain_loop_says_the_same": (
            "evaluation.generation.precision_and_recall evaluation.generation.share_covered "
            "evaluation.generation.squared_distances"
        ),
    },
    "test_lecture_elbo_tour.py": {
        "test_log_p_is_elbo_plus_the_divergence_to_the_posterior": "evaluation.quadrature.OnGrid",
        "test_log_p_and_posterior_are_those_of_the_linear_gaussian_model": "evaluation.quadrature.on_grid",
    },
    "test_parameters.py": {
        "test_the_views_of_a_split_vector_tile_it": "machinery.parameters.split_vector",
    },
}
MADE_OF_OTHERS = {
    "the outputs themselves": "losses.MeanSquaredError.mean",
    "`sigmoid`": "likelihoods.Bernoulli.mean",
    "its encoder, its decoder and its loss": "autoencoder.Autoencoder.forward autoencoder.Autoencoder.backward",
    "`forward`": "autoencoder.Autoencoder.loss_terms classifier.Classifier.loss_terms",
    "its encoder": "autoencoder.Autoencoder.encode",
    "its decoder": "autoencoder.Autoencoder.decode",
    "its encoder and decoder": "autoencoder.Autoencoder.reconstruct",
    "its network and its loss": "classifier.Classifier.forward classifier.Classifier.backward",
    "its network and the `mean` of its loss": "classifier.Classifier.probabilities",
    "a part of the forward pass of their layer": (
        "layers.convolution.windows_in layers.convolution.laid_out layers.batch_norm.moments"
    ),
}
NO_NUMBERS = {  # none come out of these
    "checks and texts": r"machinery\.(checks|extras|summary|images\.(pair|short|options|expect_images))\b",
    "parameters and their views": r"machinery\.(memory|parameters\.(ArrayView|Parameter|Gradient|Flat))\b",
    "what layers are made from": r"layers\.(layer|activations\.Elementwise)\b",
    "what losses and optimisers have in common": r"(losses\.Loss|likelihoods\.Likelihood|optim\.(Optimiser|Has\w+))$",
    "files": r"(data\.(files\.|load_|frames_of_mat|mat\.)|machinery\.files\.)",
    "an error, and what an encoder is": r"evaluation\.(quadrature\.QuadratureError|latent\.Encoder)",
}
MODELS = (VAE, IWAE, Autoencoder, Classifier)


def in_the_library(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}".removeprefix("scratchnn.")


def public() -> set[str]:
    """The functions and classes of these rooms, and the methods of models, losses and likelihoods."""
    found: set[str] = set()
    for room in ROOMS:
        top = importlib.import_module(f"scratchnn.{room}")
        below = [f"{top.__name__}.{sub.name}" for sub in pkgutil.iter_modules(getattr(top, "__path__", []))]
        for module in [top, *map(importlib.import_module, below)]:
            values = [value for value in vars(module).values() if inspect.isfunction(value) or inspect.isclass(value)]
            for value in (value for value in values if value.__module__ == module.__name__):
                if value in MODELS or (
                    inspect.isclass(value) and issubclass(value, (losses.Loss, likelihoods.Likelihood))
                ):
                    methods = {name: method for name, method in vars(value).items() if inspect.isfunction(method)}
                    as_layer = () if value in MODELS else ("forward", "backward")
                    found |= {
                        in_the_library(m) for name, m in methods.items() if name[0] != "_" and name not in as_layer
                    }
                if value not in MODELS:
                    found.add(in_the_library(value))
    return found
