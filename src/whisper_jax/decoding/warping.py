"""Dynamic time warping: the cheapest way through a text and a stretch of audio.

Each step goes on by a token, by a frame or by both (Sakoe and Chiba 1978). The usual loop over
all cells is three nested choices; here a whole row is done at once: along a row the cost is a
running sum, so the best place to have entered it is a running minimum.
"""

import numpy as np
from numpy.typing import NDArray


def first_frames(distances: NDArray[np.float32]) -> NDArray[np.int64]:
    """Where each row begins on the cheapest way from the first cell to the last.

    Args:
        distances: [row, frame], at least one of each: what it costs to be there.

    Returns:
        int64 [row], rising; the first is 0.
    """
    costs = distances.astype(np.float64)
    n_rows, n_frames = costs.shape
    frames = np.arange(n_frames)
    entries = np.zeros((n_rows, n_frames), np.int64)  # where a way that is here entered its row
    came_diagonally = np.zeros((n_rows, n_frames), bool)
    before = np.cumsum(costs[0])
    for row in range(1, n_rows):
        # From the cell above, or from the one to its left if that is cheaper.
        diagonal = np.concatenate(([np.inf], before[:-1]))
        came_diagonally[row] = diagonal < before
        sums = np.cumsum(costs[row])
        enter = np.minimum(diagonal, before) - (sums - costs[row])
        best = np.minimum.accumulate(enter)
        is_entry = np.concatenate(([True], enter[1:] < best[:-1]))
        entries[row] = np.maximum.accumulate(np.where(is_entry, frames, 0))
        before = sums + best
    firsts = np.zeros(n_rows, np.int64)
    frame = n_frames - 1
    for row in range(n_rows - 1, 0, -1):
        firsts[row] = entries[row, frame]
        frame = firsts[row] - came_diagonally[row, firsts[row]]
    return firsts
