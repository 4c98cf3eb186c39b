"""The engine: one thread owns the device and serves many programs from one batch of slots."""
