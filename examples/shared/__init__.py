"""What more than one script needs; only scripts use it.

adversarial.py          two networks against each other, and the loop that trains both
documents.py            numbers and names from the documents
series.py               networks trained one after another, then scored and drawn side by side
thesis_classifier.py    the thesis's classifiers: an encoder, a softmax on its means
trained_vae.py          a VAE from a run, checked, or a small one trained first
log_likelihood.py       the log-likelihood of a trained VAE
"""
