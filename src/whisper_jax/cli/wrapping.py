"""A text in lines that fit on a terminal, in any script."""

from whisper_jax.formats.breaks import cut_words, width


def fitting_lines(text: str, n_columns: int) -> list[tuple[int, int]]:
    """The lines of a text as [start, stop), each as full as it gets, without spaces at their ends.

    Lines are broken where the script allows it, and inside a word only if that is longer than a
    line. More text changes nothing in the lines before the last word.

    Args:
        text: Any text.
        n_columns: Columns of the terminal; a full-width character takes two.
    """
    lines: list[tuple[int, int]] = []
    for start, stop in cut_words(text):
        if lines and width(text[lines[-1][0] : stop]) <= n_columns:
            lines[-1] = (lines[-1][0], stop)
        else:
            lines += _folded(text, start, stop, n_columns)
    return lines


def last_break(text: str) -> int:
    """Where the last word of a text begins."""
    words = cut_words(text)
    return words[-1][0] if words else 0


def _folded(text: str, start: int, stop: int, n_columns: int) -> list[tuple[int, int]]:
    """A word in pieces that fit; marks stay with the letter before them."""
    pieces = [(start, start)]
    for index in range(start, stop):
        columns = width(text[index])
        if columns and width(text[pieces[-1][0] : index]) + columns > n_columns:
            pieces.append((index, index))
        pieces[-1] = (pieces[-1][0], index + 1)
    return [piece for piece in pieces if piece[0] < piece[1]]
