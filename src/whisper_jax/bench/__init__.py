"""Benchmarks: our own speed and memory, and those of the peers on the same machine."""
