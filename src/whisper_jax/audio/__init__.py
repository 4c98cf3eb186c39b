"""Recordings: decoding to samples, reading them in spans, log-mel features.

Import from the modules: `decode` and `reader` do without JAX, `logmel` does not.
"""
