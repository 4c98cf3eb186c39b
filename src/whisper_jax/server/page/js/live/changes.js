// Where the changes from one text to another stand in the segments of the second.

/**
 * For each of the segments [{text, …}] its runs: [{kind, text}] with kind same, added or removed.
 *
 * `parts` are [{before, after, is_same}]; all `after` together are the segments' texts, but for
 * white space. What was removed stands in the segment in which it was.
 */
export function runsOf(segments, parts) {
  const runs = segments.map(() => []);
  const left = segments.map((segment) => n_letters(segment.text));
  let at = 0;
  const put = (kind, text) => text.trim() && add(runs[at], kind, text);
  for (const { before, after, is_same } of parts) {
    if (!is_same) {
      // A new segment begins with what comes next, unless nothing does.
      while (at + 1 < left.length && left[at] === 0) at += 1;
      if (runs.length) put("removed", before);
    }
    let rest = after;
    while (rest.trim()) {
      while (at + 1 < left.length && left[at] === 0) at += 1;
      const isLast = at + 1 === left.length;
      const cut = isLast ? rest.length : endOf(rest, left[at]);
      const piece = rest.slice(0, cut);
      put(is_same ? "same" : "added", piece);
      left[at] -= n_letters(piece);
      rest = rest.slice(cut);
    }
  }
  return runs;
}

function add(runs, kind, text) {
  const last = runs.at(-1);
  if (last?.kind === kind) last.text += text;
  else runs.push({ kind, text });
}

function n_letters(text) {
  return text.replace(/\s/g, "").length;
}

/** Where the first `n` letters of a text, without white space, are over. */
function endOf(text, n) {
  let n_seen = 0;
  for (let i = 0; i < text.length; i += 1) {
    if (/\S/.test(text[i])) n_seen += 1;
    if (n_seen === n) return i + 1;
  }
  return text.length;
}
