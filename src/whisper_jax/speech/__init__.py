"""Where speech is in a recording, and where a recording may be cut.

Import from the modules: `regions`, `spans` and `levels` do without JAX, `vad` and `cutting` do not.
"""
