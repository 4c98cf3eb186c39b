"""On-device decoding: rules for logits, the state of the rows, prefill and the loop of steps."""
