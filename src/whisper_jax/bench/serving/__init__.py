"""A server under load, driven over HTTP as by its clients."""
