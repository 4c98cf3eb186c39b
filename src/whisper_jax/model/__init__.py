"""The network: dimensions, weights, encoder and decoder, as pure functions over pytrees."""
