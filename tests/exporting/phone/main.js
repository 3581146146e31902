// Reads cases from standard input, a JSON object a line: texts, or a photo as its width, height and
// colours; and the values of each output of the model, one after another, with their sizes.
// Writes for each the rows that the model was given, and what was found.

import { readFile } from "node:fs/promises";
import { set } from "@litertjs/core";
import { loadTokenizer } from "./tokenizer/Tokenizer.js";

const [, , wanted, bundle] = process.argv;
const read = (path) => readFile(`${bundle}/${path}`, "utf8");
globalThis.fetch = async (path) => ({ ok: true, text: () => read(path) });

async function load() {
  if (wanted === "entities") {
    const { find } = await (await import("./snippets/find_entities.js")).loadEntityFinder();
    return async ([text]) => (await find(text)).map((one) =>
      [one.type, one.start, one.end, one.probability, one.text]);
  }
  if (wanted === "answer") {
    const { find } = await (await import("./snippets/find_answer.js")).loadAnswerFinder();
    return async ([question, context]) => {
      const found = await find(question, context);
      return found ? [[found.start, found.end, found.score, found.text]] : [];
    };
  }
  if (wanted === "classes") {
    const { classify } = await (await import("./snippets/classify.js")).loadClassifier();
    return async ([text]) => [...await classify(text)];
  }
  if (wanted === "photo") {
    const { predict } = await (await import("./snippets/predict.js")).loadPredictor();
    return async ([width, height, colours]) => {
      const data = colours.split(" ").flatMap((one) => [one >> 16, (one >> 8) & 255, one & 255, 255]);
      const found = await predict({ data, width: Number(width), height: Number(height) });
      return [...found].map(([name, values]) => [name, ...values]);
    };
  }
  if (wanted === "mask") {
    const { segment } = await (await import("./snippets/segment.js")).loadSegmenter();
    return async ([width, height, colours]) => {
      const data = colours.split(" ").flatMap((one) => [one >> 16, (one >> 8) & 255, one & 255, 255]);
      const found = await segment({ data, width: Number(width), height: Number(height) });
      return [Array.from(found.mask), found.height, found.width, [...found.shares]];
    };
  }
  if (wanted === "objects") {
    const { detect } = await (await import("./snippets/detect.js")).loadDetector();
    return async ([width, height, colours]) => {
      const data = colours.split(" ").flatMap((one) => [one >> 16, (one >> 8) & 255, one & 255, 255]);
      const found = await detect({ data, width: Number(width), height: Number(height) });
      return found.map((one) =>
        [one.label, one.probability, one.left, one.top, one.right, one.bottom]);
    };
  }
  const tokenizer = await loadTokenizer("tokenizer", (name) => read(`tokenizer/${name}`));
  return async (texts) => {
    const encoding = tokenizer.encode(...texts.map((text) => tokenizer.tokenize(text)));
    set.rows = [encoding.tokenIds];
    return encoding.tokens.map((token) => (token ? [token.start, token.end] : []));
  };
}

const find = await load();
// Only a line feed ends a line; a text has other signs that readline would cut at.
let input = "";
process.stdin.setEncoding("utf8");
for await (const chunk of process.stdin) input += chunk;
for (const line of input.split("\n").filter(Boolean)) {
  const { texts, values, sizes } = JSON.parse(line);
  let place = 0;
  set.values = sizes.map((size) => values.slice(place, (place += size)));
  set.rows = [];
  const found = await find(texts);
  console.log(JSON.stringify([set.rows, found]));
}
