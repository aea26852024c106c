"""Causes in other words than the keys have: what edits.py says, where a reader of the mutant found it right.

The keys were written with the relations of diagnosis.py at hand. A change of the backward pass often says the same
more closely. Each of these sentences was read beside the mutant's source.
"""

READ: dict[tuple[str, str], dict[str, str]] = {
    ("batch_norm", "gamma_within_the_bracket_too"): {
        "dx": "what comes from centred to std (line 23) is multiplied by gamma, once too often or too seldom",
    },
    ("batch_norm_staged", "root_without_its_inner_value"): {
        "dx": "what comes from centred to var (line 25) is multiplied by std, once too often or too seldom",
    },
    ("batch_norm_staged", "one_standard_deviation_for_all_features"): {
        "dx": "the gradient of std is summed over axis 0",
    },
    ("bias", "dx_summed_as_well"): {
        "dx": "the gradient of x is summed over axis 0",
    },
    ("bottleneck", "heads_exchanged"): {
        "dh": "the gradients of mean and log_var are exchanged",
        "dW": "the gradients of mean and log_var are exchanged",
        "db": "the gradients of mean and log_var are exchanged",
    },
    ("bottleneck", "sigma_lost"): {
        "dh": "the derivative of `np.exp(0.5 * log_var)` by `0.5 * log_var` is left out",
        "dW": "the derivative of `np.exp(0.5 * log_var)` by `0.5 * log_var` is left out",
        "db": "the derivative of `np.exp(0.5 * log_var)` by `0.5 * log_var` is left out",
    },
    ("bottleneck", "upstream_of_the_kl_summed"): {
        "dh": "the gradient of kl is summed over axis 0",
        "dW": "the gradient of kl is summed over axis 0",
        "db": "the gradient of kl is summed over axis 0",
    },
    ("convolution", "kernel_not_turned_round"): {
        "dx": 'the derivative of `np.einsum("ncij,fc->nfij", x[:, :, u : u + OH, v : v + OW], w[:, :, u, v])` by `x[:, :, u : u + OH, v : v + OW]` is taken with `w[:, :, u, v]` of the passes in reverse order',
    },
    ("convolution", "overwritten_in_every_round"): {
        "dx": "of the passes from x to y (line 27), the last overwrites the others: = in the place of +=",
    },
    ("convolution", "overwritten_by_every_window"): {
        "dx": "of the passes from x to y (line 27), the first overwrites the others: = in the place of +=",
    },
    ("convolution", "filters_summed_separately"): {
        "dx": "the gradient of y is summed over axis 1; this shows in dx alone",
    },
    ("convolution", "kernel_turned_round_in_a_mean"): {
        "dw": 'the derivative of `np.einsum("ncij,fc->nfij", x[:, :, u : u + OH, v : v + OW], w[:, :, u, v])` by `w[:, :, u, v]` is taken with `x[:, :, u : u + OH, v : v + OW]` of the passes in reverse order; and all of it has an extra factor 1/x.shape[0]; this shows in dw alone',
    },
    ("dropout", "as_at_test_time"): {
        "dx": "the derivative of y by x is left out",
    },
    ("dropout", "mask_turned_round"): {
        "dx": "the derivative of `x * mask` by x is there where it should be 0, and 0 where it should be 1",
    },
    ("dropout", "mask_turned_round_and_not_divided"): {
        "dx": "the derivative of y by x is taken for 1 − mask",
    },
    ("elbo", "no_sigmoid"): {
        "dWe": "the derivative of `np.logaddexp(0, logits)` by logits is taken for logits",
        "dbe": "the derivative of `np.logaddexp(0, logits)` by logits is taken for logits",
        "dWd": "the derivative of `np.logaddexp(0, logits)` by logits is taken for logits",
        "dbd": "the derivative of `np.logaddexp(0, logits)` by logits is taken for logits",
    },
    ("elbo", "mean_for_z"): {
        "dWd": "the derivative of `z @ Wd` by Wd is taken with mean in the place of z",
    },
    ("elbo", "sigma_lost"): {
        "dWe": "the derivative of `np.exp(0.5 * log_var)` by `0.5 * log_var` is left out",
        "dbe": "the derivative of `np.exp(0.5 * log_var)` by `0.5 * log_var` is left out",
    },
    ("elbo", "mean_only_through_z"): {
        "dWe": "the route from mean to kl (line 28) is missing",
        "dbe": "the route from mean to kl (line 28) is missing",
    },
    ("kl", "upstream_summed"): {
        "dmean": "the gradient of kl is summed over axis 0",
        "dlog_var": "the gradient of kl is summed over axis 0",
    },
    ("max_pool", "repeated_indices_counted_once"): {
        "dx": "of all that comes from x to windows (line 20) to one entry, only the last counts: = in the place of +=",
    },
    ("max_pool", "mask_forgotten"): {
        "dx": "the gradient of y goes to every entry of windows, and not to the selected one",
    },
    ("mse", "one_dloss_for_all_examples"): {
        "dprediction": "the gradient of loss is summed over axis 0",
    },
    ("relu", "mask_turned_round"): {
        "dx": "the derivative of y by x is there where it should be 0, and 0 where it should be 1",
    },
    ("reparameterise", "log_var_for_sigma"): {
        "dlog_var": "the derivative of `np.exp(0.5 * log_var)` by `0.5 * log_var` is taken for log_var",
    },
    ("sigmoid", "input_for_output"): {
        "dx": "the derivative of y by x is taken for x (1 − x)",
    },
    ("sigmoid", "slope_of_tanh"): {
        "dx": "the derivative of y by x is taken for 1 − y²",
    },
    ("softmax", "diagonal_alone"): {
        "dx": "of the derivative of y by exps only the diagonal counts",
    },
    ("strided_convolution", "overwritten_in_every_round"): {
        "dx": "of the passes from x to y (line 26), the last overwrites the others: = in the place of +=",
    },
    ("strided_convolution", "kernel_turned_round"): {
        "dx": 'the derivative of `np.einsum("ncij,fc->nfij", x[:, :, rows, columns], w[:, :, u, v])` by `x[:, :, rows, columns]` is taken with `w[:, :, u, v]` of the passes in reverse order',
    },
    ("tanh", "input_for_output"): {
        "dx": "the derivative of y by x is taken for 1 − x²",
    },
    ("tanh", "slope_of_the_sigmoid"): {
        "dx": "the derivative of y by x is taken for y (1 − y)",
    },
    ("tanh", "slope_of_tan"): {
        "dx": "the derivative of y by x is taken for 1 + y²",
    },
    ("twice", "w_on_both_routes"): {
        "dx": "the derivative of y by x is taken for w",
    },
    ("twice", "slope_of_tanh_from_its_input"): {
        "dx": "the derivative of `np.tanh(x)` by x is taken for 1 − x²",
    },
    ("twice", "two_wrong_factors"): {
        "dx": "the derivative of `w * np.tanh(x)` by `np.tanh(x)` is left out; this shows in dx alone",
        "dw": "the derivative of y by w is taken for x; this shows in dw alone",
    },
}
