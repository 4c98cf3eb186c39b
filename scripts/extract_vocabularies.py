"""Take the two vocabularies of Whisper's text tokens out of tokenizer files, for whisper_jax.text.

    python scripts/extract_vocabularies.py BASE TINY_EN

BASE and TINY_EN are folders with a tokenizer.json (``whisper-jax models path base``). Every
multilingual checkpoint has the tokens of the first, every English-only one those of the second.
What is kept are the merges, one a line, compressed: the tokens are the 256 letters that stand for
bytes and what the merges make, in this order.
"""

import argparse
import json
import lzma
from pathlib import Path

from whisper_jax.text.files import read_text_tokenizer
from whisper_jax.text.published import DATA, byte_letters

SIZES = {"multilingual": 51_865, "english": 51_864}
PRESET = 9 | lzma.PRESET_EXTREME


def merge_lines(folder: Path, n_vocab: int) -> list[str]:
    """The merges of a checkpoint's tokenizer, in the order of the tokens that they make."""
    tokenizer = json.loads(read_text_tokenizer(folder, n_vocab).to_str())["model"]
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["merges"]]
    made = [*byte_letters(), *(merge.replace(" ", "") for merge in merges)]
    if any(tokenizer["vocab"].get(token) != index for index, token in enumerate(made)):
        raise SystemExit(f"the tokens in {folder} are not in the order of their merges")
    return merges


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", type=Path, metavar="BASE")
    parser.add_argument("tiny_en", type=Path, metavar="TINY_EN")
    args = parser.parse_args()
    for (name, n_vocab), folder in zip(SIZES.items(), (args.base, args.tiny_en), strict=True):
        text = "\n".join(merge_lines(folder, n_vocab))
        path = Path(__file__).parents[1] / "src/whisper_jax/text" / DATA / f"{name}.merges.xz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(lzma.compress(text.encode(), preset=PRESET))
        print(f"{path} {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
