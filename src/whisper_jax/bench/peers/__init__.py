"""Other speech recognisers, each in an environment of its own: oracles and opponents.

Nothing here is imported by the rest of the package, and none of a peer's packages is a dependency
of it. A peer runs as a separate process, with a Python of its own (`environment`), on the same
weights (`weights`), told what both sides of a comparison are told or left to its defaults
(`settings`), and answers in JSON (`run`, `worker`). What it writes for a recording is kept
(`texts`).
"""
