// Server-sent events, read from text as it comes in (WHATWG HTML, section 9.2).

/**
 * A reader of events: call the function it gives with each new piece of text, cut anywhere; it
 * calls `onData` with the data of each whole event. Names and ids of events are not used here.
 */
export function eventReader(onData) {
  let rest = "";
  let data = [];
  return (text) => {
    // A carriage return may be the first half of a line end: it waits for what follows.
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (data.length) onData(data.join("\n"));
        data = [];
      } else if (line === "data" || line.startsWith("data:")) {
        data.push(line.slice(5).replace(/^ /, ""));
      }
    }
  };
}
