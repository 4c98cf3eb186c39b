"""The shapes of every published Whisper model (Radford et al. 2022, table 1; model cards)."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class ModelDims:
    """Sizes of one model, under openai-whisper's names.

    Attributes:
        n_mels: Log-mel bins of the input: 80, or 128 from large-v3 on.
        n_audio_ctx: Positions after the encoder: 1500 for 30 s, 20 ms each.
        n_audio_state: Width of the encoder.
        n_audio_head: Attention heads of an encoder layer.
        n_audio_layer: Encoder layers.
        n_vocab: Tokens; 51864 English only, 51865 multilingual, 51866 from large-v3 on.
        n_text_ctx: Positions of the decoder.
        n_text_state: Width of the decoder.
        n_text_head: Attention heads of a decoder layer.
        n_text_layer: Decoder layers.
    """

    n_mels: int = 80
    n_audio_ctx: int = 1500
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int = 448
    n_text_state: int
    n_text_head: int
    n_text_layer: int

    @property
    def n_mlp_audio(self) -> int:
        """Width of the encoder's feed-forward layers."""
        return 4 * self.n_audio_state

    @property
    def n_mlp_text(self) -> int:
        """Width of the decoder's feed-forward layers."""
        return 4 * self.n_text_state

    @property
    def head_dim(self) -> int:
        """Width of an attention head: 64 in every published model."""
        return self.n_text_state // self.n_text_head


def _dims(width: int, heads: int, layers: int, vocab: int, **other: int) -> ModelDims:
    sizes = {"n_text_layer": layers, **other}
    return ModelDims(
        n_audio_state=width,
        n_audio_head=heads,
        n_audio_layer=layers,
        n_vocab=vocab,
        n_text_state=width,
        n_text_head=heads,
        **sizes,
    )


_ENGLISH, _MULTILINGUAL, _MULTILINGUAL_V3 = 51864, 51865, 51866

_SIZES = {
    "tiny": (384, 6, 4),
    "base": (512, 8, 6),
    "small": (768, 12, 12),
    "medium": (1024, 16, 24),
}
_LARGE = (1280, 20, 32)
_LARGE_V3 = _dims(*_LARGE, _MULTILINGUAL_V3, n_mels=128)

PUBLISHED: dict[str, ModelDims] = {
    **{name: _dims(*size, _MULTILINGUAL) for name, size in _SIZES.items()},
    **{f"{name}.en": _dims(*size, _ENGLISH) for name, size in _SIZES.items()},
    "large-v1": _dims(*_LARGE, _MULTILINGUAL),
    "large-v2": _dims(*_LARGE, _MULTILINGUAL),
    "large-v3": _LARGE_V3,
    "large-v3-turbo": replace(_LARGE_V3, n_text_layer=4),
    "distil-small.en": _dims(768, 12, 12, _ENGLISH, n_text_layer=4),
    "distil-medium.en": _dims(1024, 16, 24, _ENGLISH, n_text_layer=2),
    "distil-large-v2": _dims(*_LARGE, _MULTILINGUAL, n_text_layer=2),
    "distil-large-v3": replace(_LARGE_V3, n_text_layer=2),
    "distil-large-v3.5": replace(_LARGE_V3, n_text_layer=2),
}
"""Dimensions by model name. The names that users type are in `checkpoints.sources`."""
