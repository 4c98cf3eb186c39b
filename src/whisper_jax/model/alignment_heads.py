"""Which cross-attention heads follow the audio, word by word, in each published model.

openai-whisper publishes them as masks in its ``__init__.py`` (version 20250625,
``_ALIGNMENT_HEADS``). Distilled models have other layers: where their files do not say which
heads are good, the upper half of the layers is taken, as openai-whisper does with models that it
does not know.
"""

from whisper_jax.model.decoder import Head
from whisper_jax.model.dims import PUBLISHED, ModelDims

_HEADS: dict[str, dict[int, tuple[int, ...]]] = {
    "tiny": {2: (2,), 3: (0, 2, 3, 4, 5)},
    "tiny.en": {1: (0,), 2: (0, 5), 3: (0, 1, 2, 3, 4)},
    "base": {3: (1,), 4: (2, 3, 7), 5: (1, 2, 4, 6)},
    "base.en": {3: (3,), 4: (7,), 5: (1, 5, 7)},
    "small": {5: (3, 9), 8: (0, 4, 7, 8), 9: (0, 7, 9), 10: (5,)},
    "small.en": {
        6: (6,),
        7: (0, 3, 8),
        8: (2, 5, 7),
        9: (0, 4, 8, 10),
        10: (0, 1, 2, 3, 6, 11),
        11: (2, 4),
    },
    "medium": {13: (15,), 15: (4, 15), 16: (1,), 20: (0,), 23: (4,)},
    "medium.en": {
        11: (4,),
        14: (1, 12, 14),
        15: (4,),
        16: (0, 4, 9),
        17: (12, 14),
        18: (7, 10, 15),
        20: (0, 3, 9, 14),
        21: (12,),
    },
    "large-v1": {9: (19,), 11: (2, 4, 17), 22: (7, 11, 17), 23: (2, 15)},
    "large-v2": {
        10: (12,),
        13: (17,),
        16: (11, 12, 13),
        17: (15, 16),
        18: (4, 11, 19),
        19: (11,),
        21: (2, 3),
        22: (3, 9, 12),
        23: (5, 7, 13),
        25: (5,),
        26: (1, 12),
        27: (15,),
    },
    "large-v3": {
        7: (0,),
        10: (17,),
        12: (18,),
        13: (12,),
        16: (1,),
        17: (14,),
        19: (11,),
        21: (4,),
        24: (1,),
        25: (6,),
    },
    "large-v3-turbo": {2: (4, 11), 3: (3, 6, 11, 14)},
}
"""Heads by layer."""


def alignment_heads(dims: ModelDims, name: str = "") -> tuple[Head, ...]:
    """The heads of a model whose files do not say which they are.

    Args:
        dims: Its sizes. A model of a published one's sizes is most likely that one, trained
            further.
        name: Its published name, if that is known: two have the same sizes (large-v1 and -v2).
    """
    same = [known for known in _HEADS if PUBLISHED[known] == dims]
    if same:
        by_layer = _HEADS[name if name in same else same[-1]]
        return tuple((layer, head) for layer, heads in by_layer.items() for head in heads)
    upper = range(dims.n_text_layer // 2, dims.n_text_layer)
    return tuple((layer, head) for layer in upper for head in range(dims.n_text_head))
