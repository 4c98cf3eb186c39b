"""What the times of words cost: long recordings with and without them, in turns.

    python scripts/measure_words.py RECORDING… [--rounds 3]

Prints the least seconds of each way, greedy and with five beams, and their ratio.
"""

import argparse
from time import perf_counter

from whisper_jax import load_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", nargs="+")
    parser.add_argument("--model", default="base")
    parser.add_argument("--compute-type", default="auto")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with load_model(args.model, compute_type=args.compute_type) as model:
        for beam_size in (1, 5):
            seconds: dict[bool, list[float]] = {False: [], True: []}
            for _ in range(args.rounds + 1):  # the first one reads or compiles programs
                for words in (False, True):
                    start_s = perf_counter()
                    model.transcribe_batch(
                        args.recordings,
                        on_error="raise",
                        language="en",
                        beam_size=beam_size,
                        word_timestamps=words,
                    )
                    seconds[words].append(perf_counter() - start_s)
            without, with_words = (min(seconds[words][1:]) for words in (False, True))
            print(
                f"beam_size {beam_size}: {without:.2f} s without words, {with_words:.2f} s with "
                f"them, {100 * (with_words / without - 1):+.1f} %",
                flush=True,
            )


if __name__ == "__main__":
    main()
