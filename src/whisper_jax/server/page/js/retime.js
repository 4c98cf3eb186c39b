// Times for the words of a line that was edited, from those of the words recognised.

const NO_SPACES = /^(zh|yue|ja|th|lo|my|km|bo)\b/;

/**
 * The words of `text`, in Whisper's form (each with the space before it, their texts together
 * spelling `text`), with times from `words`.
 *
 * Letters that both have in common, by a longest common subsequence, keep their times; letters
 * between them share the time there is. So a corrected word has the time of the one it replaces,
 * and untouched words keep theirs.
 */
export function retime(words, text, language) {
  const old = letters(words);
  const letter = matched(old, [...text]);
  let at = 0;
  return split(text, language).map((word) => {
    const first = at;
    at += [...word].length;
    const spoken = letter.slice(first, at);
    const kept = words.find((one) => one === spoken.at(-1).of && one.word === word);
    if (kept && spoken.every((one) => one.of === kept)) return { ...kept };
    // The space before a word is not spoken: it takes no time.
    const begin = spoken.find((_, i) => !/\s/u.test([...word][i])) ?? spoken[0];
    // What a person wrote is certain.
    return { word, start: begin.start, end: spoken.at(-1).end, probability: 1 };
  });
}

/** `text` cut into words, nothing left out. */
export function split(text, language) {
  if (!NO_SPACES.test(language)) return text.match(/\s*\S+|\s+$/gu) ?? [];
  const parts = new Intl.Segmenter(language, { granularity: "word" }).segment(text);
  const words = [];
  for (const { segment, isWordLike } of parts) {
    // Punctuation belongs to the word before it, as in Whisper's own words.
    if (isWordLike || !words.length) words.push(segment);
    else words[words.length - 1] += segment;
  }
  return words;
}

/** Each letter of the words with its share of its word's time. */
function letters(words) {
  return words.flatMap((word) => {
    const all = [...word.word];
    const step = (word.end - word.start) / all.length;
    return all.map((letter, i) => {
      const start = word.start + i * step;
      return { letter, start, end: i + 1 === all.length ? word.end : start + step, of: word };
    });
  });
}

/** For each letter of `text` its {start, end}, and `of` where it is a letter of the old ones. */
function matched(old, text) {
  const found = common(old, text);
  const ends = { start: old[0].start, end: old.at(-1).end };
  for (let i = 0; i < text.length; i += 1) {
    if (found[i]) continue;
    let next = i;
    while (next < text.length && !found[next]) next += 1;
    const from = i ? found[i - 1].end : ends.start;
    const to = Math.max(from, next < text.length ? found[next].start : ends.end);
    const step = (to - from) / (next - i);
    for (let j = i; j < next; j += 1) {
      found[j] = { start: from + (j - i) * step, end: from + (j - i + 1) * step };
    }
  }
  return found;
}

/** The old letter of each letter of `text` that is in a longest common subsequence. */
function common(old, text) {
  const found = new Array(text.length);
  let first = 0;
  while (first < text.length && first < old.length && old[first].letter === text[first]) {
    found[first] = old[first];
    first += 1;
  }
  let n_old = old.length;
  let n_new = text.length;
  while (n_old > first && n_new > first && old[n_old - 1].letter === text[n_new - 1]) {
    n_old -= 1;
    n_new -= 1;
    found[n_new] = old[n_old];
  }
  // lengths[i][j]: the longest for what is left of both from i and j on.
  const width = n_new - first + 1;
  const lengths = new Uint16Array((n_old - first + 1) * width);
  const cell = (i, j) => (i - first) * width + (j - first);
  for (let i = n_old - 1; i >= first; i -= 1) {
    for (let j = n_new - 1; j >= first; j -= 1) {
      lengths[cell(i, j)] =
        old[i].letter === text[j]
          ? lengths[cell(i + 1, j + 1)] + 1
          : Math.max(lengths[cell(i + 1, j)], lengths[cell(i, j + 1)]);
    }
  }
  for (let i = first, j = first; i < n_old && j < n_new; ) {
    if (old[i].letter === text[j]) found[j++] = old[i++];
    else if (lengths[cell(i + 1, j)] >= lengths[cell(i, j + 1)]) i += 1;
    else j += 1;
  }
  return found;
}
