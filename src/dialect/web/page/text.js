// @ts-check
// Texts as elements: links, code and our own name in what is said. Whatever anyone writes becomes
// text, never HTML, and takes time in proportion to its length.

// Links in one line, pieces of code, and times that our own name is marked in it. What is more
// stays text, so that no line is made of thousands of elements.
const LINKS_MAX = 16;
const CODES_MAX = 16;
const MARKS_MAX = 16;
// A block of code has at most so many lines, as many as a message.
const BLOCK_LINES_MAX = 50;
// An expression that is found nowhere.
const NOTHING = /(?!)/g;

/**
 * Our name; null while we are not in the room. Others read it, `setMe` changes it.
 * @type {string | null}
 */
export let me = null;
// What finds our name in a text. To make it takes longer than to use it.
let ownName = NOTHING;

/** @param {string | null} name */
export function setMe(name) {
  me = name;
  ownName = name === null ? NOTHING : finderOf(name);
}

/**
 * A name is a word of its own, or stands in a script that has no spaces between words.
 * @param {string} name
 */
function finderOf(name) {
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const spaceless = ["Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar"];
  const other = spaceless.map((script) => `\\p{sc=${script}}`).join("");
  const letter = `(?![${other}])[\\p{L}\\p{N}_]`;
  return new RegExp(`(?<!${letter})${escaped}(?!${letter})`, "giu");
}

/** @param {string} text */
export function mentionsMe(text) {
  return text.search(ownName) >= 0;
}

/**
 * A new element.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} [className]
 * @param {string} [text]
 */
export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/**
 * A line with its links, its code and our own name made visible.
 * @param {HTMLElement} parent
 * @param {string} text
 */
export function addText(parent, text) {
  const left = { links: LINKS_MAX, codes: CODES_MAX, marks: MARKS_MAX };
  let done = 0;
  for (const match of text.matchAll(/`([^`\n]+)`/g)) {
    if (left.codes === 0) break;
    left.codes -= 1;
    addPlain(parent, text.slice(done, match.index), left);
    parent.append(element("code", "", match[1]));
    done = match.index + match[0].length;
  }
  addPlain(parent, text.slice(done), left);
}

/**
 * What has no code in it.
 * @param {HTMLElement} parent
 * @param {string} text
 * @param {{ links: number, marks: number }} left
 */
function addPlain(parent, text, left) {
  let done = 0;
  for (const match of text.matchAll(/\bhttps?:\/\/[^\s<>"“”「」（），。、；！？]+/gi)) {
    if (left.links === 0) break;
    const found = withoutStops(match[0]);
    const link = anchor(found);
    if (!link) continue;
    left.links -= 1;
    addMarked(parent, text.slice(done, match.index), left);
    parent.append(link);
    done = match.index + found.length;
  }
  addMarked(parent, text.slice(done), left);
}

/**
 * What has no links in it either.
 * @param {HTMLElement} parent
 * @param {string} text
 * @param {{ marks: number }} left
 */
function addMarked(parent, text, left) {
  let from = 0;
  for (const match of text.matchAll(ownName)) {
    if (left.marks === 0) break;
    left.marks -= 1;
    parent.append(text.slice(from, match.index), element("mark", "", match[0]));
    from = match.index + match[0].length;
  }
  parent.append(text.slice(from));
}

/**
 * What ends a sentence is not part of a link, nor is a bracket that was opened before it. An
 * expression for it would look at a row of dots from each of them.
 * @param {string} text
 */
function withoutStops(text) {
  let unopened = text.split(")").length - text.split("(").length;
  let end = text.length;
  while (".,;:!?'\")]}*".includes(text[end - 1])) {
    if (text[end - 1] === ")" && unopened-- <= 0) break;
    end -= 1;
  }
  return text.slice(0, end);
}

/** @param {string} text */
function anchor(text) {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") return null;
  const link = element("a", "", text);
  link.href = url.href;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  return link;
}

// ── code ──

/** @param {string} text */
function isOpening(text) {
  return /^```\S*\s*$/.test(text);
}

/** @param {string} text */
function isFence(text) {
  return text.trimEnd() === "```";
}

/** Lines between fences, which come one by one: each is one of the same person's. */
export class Block {
  /** @type {HTMLElement | null} */
  #code = null;
  #count = 0;

  /**
   * Begins with a line that is on the page already.
   * @param {HTMLElement} text its element
   * @param {import("./types.js").Line} line
   */
  constructor(text, line) {
    this.text = text;
    this.line = line;
  }

  /**
   * The block that this line begins, if it does.
   * @param {HTMLElement} item
   * @param {import("./types.js").Line} line
   */
  static of(item, line) {
    const text = item.querySelector(".text");
    return isOpening(line.text) && text instanceof HTMLElement
      ? new Block(text, line) : null;
  }

  /**
   * Whether this is the next line of the block: nothing lies between the two.
   * @param {import("./types.js").Line} line
   */
  goesOn(line) {
    const { from, at, id = 0 } = this.line;
    return line.from === from && line.id === id + 1 && line.at - at <= 1 &&
      this.#count < BLOCK_LINES_MAX;
  }

  /**
   * Shows the next line. Returns whether more may follow.
   * @param {import("./types.js").Line} line
   */
  add(line) {
    this.line = line;
    this.#count += 1;
    const item = this.text.closest("li");
    if (item && line.id) item.dataset.last = String(line.id);
    if (!this.#code) {
      this.#code = element("code");
      const pre = element("pre");
      pre.append(this.#code);
      this.text.replaceChildren(pre);
    }
    if (isFence(line.text)) return false;
    this.#code.append(line.text + "\n");
    return true;
  }
}

/**
 * A text that may have several lines, with code among them.
 * @param {HTMLElement} parent
 * @param {string} text
 */
export function addLines(parent, text) {
  /** @type {HTMLElement | null} */
  let code = null;
  const lines = text.split("\n");
  lines.forEach((line, number) => {
    if (code && isFence(line)) code = null;
    else if (code) code.append(line + "\n");
    else if (lines.length > 1 && isOpening(line)) {
      const pre = element("pre");
      code = pre.appendChild(element("code"));
      parent.append(pre);
    } else if (line.startsWith("\t")) {
      parent.append(element("code", "indented", line));
    } else {
      addText(parent, line);
      if (number < lines.length - 1) parent.append("\n");
    }
  });
}
