// Samples that the server may still ask for, by their position since the room was opened.

export class Backlog {
  /** Keeps at most so many samples: the oldest go first. */
  constructor(most) {
    this.most = most;
    this.blocks = [];
    this.start = 0; // position of the first sample that is kept
    this.end = 0; // one past the last
  }

  /** Keep a block (Int16Array), which follows the one before. */
  add(block) {
    this.blocks.push(block);
    this.end += block.length;
    while (this.end - this.start > this.most) this.start += this.blocks.shift().length;
  }

  /** The server has all samples before a position: blocks before it are not kept. */
  forget(position) {
    while (this.blocks.length && this.start + this.blocks[0].length <= position) {
      this.start += this.blocks.shift().length;
    }
  }

  /** The samples from a position to the end of its block; null if there are none yet. */
  next(position) {
    let from = this.start;
    for (const block of this.blocks) {
      if (position < from + block.length) return block.subarray(Math.max(0, position - from));
      from += block.length;
    }
    return null;
  }
}
