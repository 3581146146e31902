// Text to token ids on the web, as tokenizer.json says: the rules of kfine's docs/tokenizers.md.
// Needs nothing else. Prove a change with the bundle's golden texts. Example:
//
//     const tokenizer = await loadTokenizer("tokenizer");
//     const encoding = tokenizer.encode(tokenizer.tokenize("A fine film."));
//
// A token is { id, start, end }: the span of the text that it stands for, in UTF-16 units as
// strings count them. An encoding is { tokenIds, paddingMask, segmentIds, tokens, tokensCut }:
// tokens are null where the model sees a special token or padding, and tokensCut did not fit.

// Reads the files of the tokenizer; read takes a file's name and gives its text.
export async function loadTokenizer(folder, read = (name) => fetched(`${folder}/${name}`)) {
  const rules = JSON.parse(await read("tokenizer.json"));
  if (rules.format !== "kfine-tokenizer-2" || !["wordpiece", "bpe"].includes(rules.kind)) {
    throw new Error(`This file does not read a ${rules.kind} tokenizer.`);
  }
  const merges = rules.kind === "bpe" ? await read(rules.merges) : "";
  return new Tokenizer(rules, await read(rules.vocabulary), merges);
}

async function fetched(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`Cannot read ${url}: ${response.status}.`);
  return response.text();
}

// KerasHub's mark of the places where GPT-2's expression looks ahead.
const MARK = "\u096c";
const SPACES = "\u00a0\u2009\u202f\u3000";
const WHITE = `\t\n\f\r ${SPACES}`;
// Reads a shape: letters outside ASCII as z, digits as 0, other characters as a dot.
const WORDS = new RegExp(
  `'s|'t|'re|'ve|'m|'ll|'d|[${WHITE}]+[\n\r\t\f${MARK}${SPACES}]| ?[A-Za-z]+| ?[0-9${MARK}]+`
    + `| ?[^${WHITE}A-Za-z0-9${MARK}]+`, "g");

export class Tokenizer {
  #rules; #vocabulary; #ranks; #ranges = []; #lower = new Map(); #whole = new Set();
  #classes = new Map(); #orders = new Map(); #specials; #byteLetters;

  constructor(rules, vocabulary, merges = "") {
    this.#rules = rules;
    if (rules.kind === "wordpiece") {
      const lines = vocabulary.replace(/\n$/, "").split("\n");
      this.#vocabulary = new Map(lines.map((line, id) => [stripped(line), id]));
    } else {
      this.#vocabulary = new Map(Object.entries(JSON.parse(vocabulary)));
    }
    const lines = merges.split("\n").map(stripped);
    const pairs = lines.filter((line) => line !== "" && !line.includes("#version:"));
    this.#ranks = new Map(pairs.map((pair, rank) => [pair, rank]));
    for (const [name, value] of Object.entries(rules.unicode)) {
      if (name === "lower") {
        for (const [codes, to] of Object.entries(value)) {
          for (const [first, last] of ranges(codes)) {
            for (let code = first; code <= last; code++) {
              const lower = String.fromCodePoint(code - first + parseInt(to, 16));
              this.#lower.set(String.fromCodePoint(code), lower);
            }
          }
        }
      } else if (name === "whole") {
        for (const [first, last] of ranges(value)) {
          for (let code = first; code <= last; code++) this.#whole.add(String.fromCodePoint(code));
        }
      } else {
        this.#ranges.push(...ranges(value).map(([first, last]) => ({ first, last, name })));
      }
    }
    const specials = (rules.special_tokens_in_text ?? []).map((text) => [...text]);
    this.#specials = specials.sort((one, other) => other.length - one.length);
    this.#byteLetters = byteLetters();
  }

  // The tokens of a text, without special tokens and padding.
  tokenize(text) {
    if (this.#rules.kind === "wordpiece") return this.#wordPieces(letters(text));
    const shift = this.#rules.add_prefix_space ? 1 : 0;
    const words = this.#bytePairWords(letters(" ".repeat(shift) + text));
    return words.flatMap((word) => this.#bytePairs(word)).map(({ id, start, end }) =>
      ({ id, start: Math.max(start - shift, 0), end: end - shift }));
  }

  // Special tokens, truncation and padding around the tokens of one text or two.
  encode(...segments) {
    const [start, separator, end] = ["start", "separator", "end"].map((name) =>
      this.#rules[name].map((token) => this.#vocabulary.get(token)));
    const length = this.#rules.sequence_length, sum = (counts) => counts.reduce((a, b) => a + b, 0);
    const special = start.length + end.length + separator.length * (segments.length - 1);
    const budget = length - special, kept = segments.map(() => 0);
    if (budget < 0) throw new Error(`A sequence length of ${length} is too short.`);
    const wanted = sum(segments.map((tokens) => tokens.length));
    if (this.#rules.truncate === "waterfall") {
      segments.forEach((tokens, n) => { kept[n] = Math.min(tokens.length, budget - sum(kept)); });
    } else {
      while (sum(kept) < Math.min(budget, wanted)) {
        segments.forEach((tokens, n) => {
          if (kept[n] < tokens.length && sum(kept) < budget) kept[n] += 1;
        });
      }
    }
    const rows = start.map((id) => [id, 0, null]);
    segments.forEach((tokens, n) => {
      rows.push(...tokens.slice(0, kept[n]).map((token) => [token.id, n, token]));
      const closing = n === segments.length - 1 ? end : separator;
      rows.push(...closing.map((id) => [id, n, null]));
    });
    const padding = this.#vocabulary.get(this.#rules.padding);
    while (rows.length < length) rows.push([padding, 0, null]);
    return {
      tokenIds: rows.map(([id]) => id),
      paddingMask: rows.map(([id]) => Number(id !== padding)),
      segmentIds: rows.map(([, segment]) => segment),
      tokens: rows.map(([, , token]) => token),
      tokensCut: wanted - sum(kept),
    };
  }

  // The class of tokenizer.json that a character is in; empty for others.
  #classOf(char) {
    if (!this.#classes.has(char)) {
      const code = char.codePointAt(0);
      const found = this.#ranges.find(({ first, last }) => first <= code && code <= last);
      this.#classes.set(char, found?.name ?? "");
    }
    return this.#classes.get(char);
  }

  #specialLength(letters, place) {
    return this.#specials.find((special) => special.every((char, n) =>
      letters[place + n]?.char === char))?.length;
  }

  // Parts of the letters between special tokens, and those as they are, each where it stands.
  #apart(letters, plain, special) {
    const found = [];
    let from = 0, place = 0;
    while (place < letters.length) {
      const length = this.#specialLength(letters, place);
      if (length === undefined) { place++; continue; }
      found.push(...plain(letters.slice(from, place)), special(letters.slice(place, place + length)));
      from = place += length;
    }
    return [...found, ...plain(letters.slice(from))];
  }

  // WordPiece

  #wordPieces(letters) {
    const plain = (part) => this.#words(part).flatMap((word) => this.#pieces(word));
    return this.#apart(letters, plain, (word) => token(this.#vocabulary.get(joined(word)), word));
  }

  #words(text) {
    // Without control characters, and a plain space for each other.
    let letters = text.filter(({ char }) => this.#classOf(char) !== "dropped").map((letter) =>
      (this.#classOf(letter.char) === "spaces" ? { ...letter, char: " " } : letter));
    if (this.#rules.strip_accents) letters = this.#withoutMarks(letters);
    if (this.#rules.lowercase) {
      letters = letters.flatMap((letter) => parts(letter, this.#lowerOf(letter.char)));
    }
    const words = [[]];
    for (const letter of letters) {
      const kind = this.#classOf(letter.char);
      if (kind === "alone" || (kind === "cjk" && this.#rules.split_cjk)) words.push([letter], []);
      else if (letter.char === " ") words.push([]);
      else words.at(-1).push(letter);
    }
    return words.filter((word) => word.length > 0);
  }

  #lowerOf(char) {
    return this.#lower.get(char) ?? char.toLowerCase();
  }

  // Letters and accents apart (NFD), the accents put in order and dropped.
  #withoutMarks(letters) {
    const kept = [];
    let marks = [];
    const keep = (letter) => {
      const last = kept.at(-1);
      if (this.#classOf(letter.char) !== "marks") kept.push(letter);
      else if (last) kept[kept.length - 1] = { ...last, end: Math.max(last.end, letter.end) };
    };
    const keepMarks = () => {
      marks.sort((one, other) => order(one.char, other.char)).forEach(keep);
      marks = [];
    };
    for (const letter of letters) {
      const whole = this.#whole.has(letter.char);
      for (const part of whole ? [letter] : parts(letter, letter.char.normalize("NFD"))) {
        if (this.#isOrdered(part.char)) { marks.push(part); continue; }
        keepMarks();
        keep(part);
      }
    }
    keepMarks();
    return kept;
  }

  // Whether a mark has a canonical combining class, which JavaScript does not tell: then it changes
  // places with one of the highest class before it, or with one of the lowest behind it.
  #isOrdered(char) {
    if (!["marks", "ordered"].includes(this.#classOf(char))) return false;
    if (!this.#orders.has(char)) {
      this.#orders.set(char, order("\u0345", char) > 0 || order(char, "\u0334") > 0);
    }
    return this.#orders.get(char);
  }

  #pieces(word) {
    const unknown = [token(this.#vocabulary.get(this.#rules.unknown_token), word)], tokens = [];
    if (word.length > this.#rules.max_word_characters) return unknown;
    for (let start = 0, end; start < word.length; start = end) {
      const prefix = start === 0 ? "" : this.#rules.suffix_indicator;
      let id;
      for (end = word.length; end > start; end--) {
        id = this.#vocabulary.get(prefix + joined(word.slice(start, end)));
        if (id !== undefined) break;
      }
      if (id === undefined) return unknown;
      tokens.push(token(id, word.slice(start, end)));
    }
    return tokens;
  }

  // Byte-level BPE

  #bytePairWords(text) {
    const marked = [];
    text.forEach((letter, place) => {
      if (letter.char === " " && place + 1 < text.length && !WHITE.includes(text[place + 1].char)) {
        marked.push({ char: MARK, start: letter.start, end: letter.start });
      }
      marked.push(letter);
    });
    const tail = text.slice(-5), end = text.at(-1)?.end;
    if (tail.length === 5 && "\t\n\f\r ".includes(tail[0].char) && joined(tail.slice(1)) === SPACES) {
      marked.push({ char: MARK, start: end, end });
    }
    const words = this.#apart(marked, (part) => this.#cut(part), (word) => word);
    return words.filter((word) => word.length > 0 && joined(word) !== MARK);
  }

  #cut(part) {
    // Every letter of the shape is one UTF-16 unit, so that the expression's places are ours.
    const shape = part.map(({ char }) => this.#shape(char)).join(""), words = [];
    const add = (start, end) => {
      if (start === end) return;
      const last = part[end - 1].char;
      const middle = last === MARK || ` \t\r\f\v${SPACES}`.includes(last) ? end - 1 : end;
      words.push(part.slice(start, middle), part.slice(middle, end));
    };
    let place = 0;
    for (const match of shape.matchAll(WORDS)) {
      add(place, match.index);
      place = match.index + match[0].length;
      add(match.index, place);
    }
    add(place, part.length);
    return words;
  }

  #shape(char) {
    if (char <= "\x7f" || char === MARK || SPACES.includes(char)) return char;
    const kind = this.#classOf(char);
    if (kind) return { letters: "z", numbers: "0" }[kind] ?? ".";
    return /\p{L}/u.test(char) ? "z" : /\p{N}/u.test(char) ? "0" : ".";
  }

  #bytePairs(word) {
    const plain = joined(word);
    if (this.#specials.some((special) => special.join("") === plain)) {
      return [token(this.#vocabulary.get(plain), word)];
    }
    const encoder = new TextEncoder();
    const source = word.flatMap((letter) =>
      [...encoder.encode(letter.char)].map((byte) => [letter, this.#byteLetters[byte]]));
    const symbols = source.map(([, letter]) => letter);
    const rank = (left) => this.#ranks.get(`${symbols[left]} ${symbols[left + 1]}`) ?? Infinity;
    const pairs = symbols.slice(1).map((_, left) => rank(left));
    for (;;) {
      const best = pairs.reduce((least, one) => Math.min(least, one), Infinity);
      if (best === Infinity) break;
      const left = pairs.indexOf(best);
      pairs.splice(left, 1);
      symbols.splice(left, 2, symbols[left] + symbols[left + 1]);
      for (const beside of [left - 1, left]) if (beside in pairs) pairs[beside] = rank(beside);
    }
    let place = 0;
    return symbols.map((symbol) => {
      const [first] = source[place], [last] = source[place + symbol.length - 1];
      place += symbol.length;
      // The space in front of a word belongs to its token, not to the span that it names.
      const start = first.char === " " && first !== last ? first.end : first.start;
      return { id: this.#vocabulary.get(symbol), start, end: last.end };
    });
  }
}

// First and last of ranges of hexadecimal numbers, such as "41-5A 61".
function ranges(text) {
  return text.split(" ").filter(Boolean).map((range) => {
    const ends = range.split("-").map((end) => parseInt(end, 16));
    return [ends[0], ends.at(-1)];
  });
}

// A line without white space at its end, as Python strips it.
function stripped(line) {
  return line.replace(/[\t-\r\x1c-\x20\x85\p{Z}]+$/u, "");
}

function letters(text) {
  let place = 0;
  return [...text].map((char) => ({ char, start: place, end: (place += char.length) }));
}

function parts(letter, text) {
  return [...text].map((char) => ({ ...letter, char }));
}

function joined(word) {
  return word.map(({ char }) => char).join("");
}

function token(id, word) {
  return { id, start: word[0].start, end: word.at(-1).end };
}

// How two marks stand in the canonical order of Unicode: positive where they change places.
function order(one, other) {
  if (one === other) return 0;
  if ((one + other).normalize("NFD") === other + one) return 1;
  return (other + one).normalize("NFD") === one + other ? -1 : 0;
}

// The printable character that stands for each byte in the vocabulary.
function byteLetters() {
  const printable = (byte) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173);
  let others = 256;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCodePoint(printable(byte) ? byte : others++));
}
