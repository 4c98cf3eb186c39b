"""openai-whisper's names for the arrays of a model: those of its ``.pt`` files and of ggml files.

They are Hugging Face's with other words for the parts, so there is one table (`safetensors_hf`).
"""

from collections.abc import Iterable
from dataclasses import replace

from whisper_jax.checkpoints import safetensors_hf
from whisper_jax.checkpoints.names import Rule

_RENAMED = (
    ("model.", ""),
    (".layers.", ".blocks."),
    (".fc1.", ".mlp.0."),
    (".fc2.", ".mlp.2."),
    (".final_layer_norm.", ".mlp_ln."),
    (".self_attn_layer_norm.", ".attn_ln."),
    (".encoder_attn_layer_norm.", ".cross_attn_ln."),
    (".self_attn.", ".attn."),
    (".encoder_attn.", ".cross_attn."),
    (".q_proj.", ".query."),
    (".k_proj.", ".key."),
    (".v_proj.", ".value."),
    (".out_proj.", ".out."),
    ("encoder.layer_norm.", "encoder.ln_post."),
    ("decoder.layer_norm.", "decoder.ln."),
    (".embed_tokens.", ".token_embedding."),
    (".embed_positions.weight", ".positional_embedding"),
)
"""Parts of Hugging Face's names, in this order, and openai-whisper's for them."""


def openai_name(name: str) -> str:
    """openai-whisper's name of an array that Hugging Face calls ``name``."""
    for theirs, openai in _RENAMED:
        name = name.replace(theirs, openai)
    return name


def _renamed(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    # There is no output projection under these names: it is the embedding.
    return tuple(
        replace(rule, name=openai_name(rule.name)) for rule in rules if rule.kind != "tied"
    )


RULES: tuple[Rule, ...] = _renamed(safetensors_hf.RULES)
"""openai-whisper's names for the arrays of a Whisper model."""
