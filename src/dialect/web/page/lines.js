// @ts-check
// The log: what is said becomes elements, with links and our own name marked. Whatever anyone
// writes becomes text, never HTML.
import { clock, days, fullTime, lang, words } from "./words.js";

/** @typedef {import("./connection.js").Line} Line */
/** @typedef {import("./connection.js").ServerMessage<"say" | "me">} Said */

// Lines that are kept on the page. A long session does not slow it down.
const LINES_MAX = 1000;
// Links in one line, and times that our own name is marked in it. What is more stays text, so that
// no line is made of thousands of elements.
const LINKS_MAX = 16;
const MARKS_MAX = 16;
// Lines of one person within this time have one head.
const TOGETHER_SECONDS = 300;
// An expression that is found nowhere.
const NOTHING = /(?!)/g;

const log = byId("log", HTMLOListElement);
const down = byId("down", HTMLButtonElement);

/**
 * Our name; null while we are not in the room. Others read it, `setMe` changes it.
 * @type {string | null}
 */
export let me = null;
// What finds our name in a text. To make it takes longer than to use it.
let ownName = NOTHING;
/**
 * Keys of the last lines said, by which the history is told from what is on the page.
 * @type {string[]}
 */
let seen = [];
/**
 * The last line on the page, to see whether the next belongs to it.
 * @type {{ from: string, private: string | undefined, at: number } | null}
 */
let last = null;
let lastDay = "";
/**
 * Elements that are to be shown with the next batch, and what else is to be done then.
 * @type {HTMLElement[]}
 */
let queue = [];
/** @type {Set<() => void>} */
const tasks = new Set();
let batch = 0;
let wasAtEnd = true;

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

// ── what is added to the log ──

/**
 * Shows of the history what is not on the page already.
 * @param {Said[]} history
 */
export function showHistory(history) {
  const keys = history.map(key);
  let fresh = 0;
  for (let from = keys.length; from > 0 && seen.length > 0; from -= 1) {
    const common = Math.min(from, seen.length, 5);
    const end = keys.slice(from - common, from).join();
    if (end === seen.slice(-common).join()) {
      fresh = from;
      break;
    }
  }
  if (fresh === 0 && seen.length > 0 && history.length > 0) addNotice(words.missed);
  history.slice(fresh).forEach((said) => addLine(said, { emote: said.type === "me" }));
}

/** @param {Line & { type: string }} line */
function key(line) {
  return JSON.stringify([line.type, line.from, line.text, line.at]);
}

/**
 * Adds a line. `how.private` is a private message's note of whom it is for.
 * @param {Line & { type: string }} line
 * @param {{ emote?: boolean, private?: string }} how
 */
export function addLine(line, how) {
  if (!how.private && !line.again) {
    seen.push(key(line));
    if (seen.length > 100) seen = seen.slice(-50);
  }
  const at = new Date(line.at * 1000);
  addDay(at);
  const item = element("li", "line");
  item.style.setProperty("--hue", hue(line.from));
  const same = last && last.from === line.from && last.private === how.private;
  if (last && same && line.at - last.at < TOGETHER_SECONDS) item.classList.add("joined");
  last = { from: line.from, private: how.private, at: line.at };
  if (how.emote) item.classList.add("me");
  if (how.private) item.classList.add("private");
  else if (line.from !== me && mentionsMe(line.text)) item.classList.add("mention");

  const head = element("div", "head");
  head.append(element("span", "from", line.from));
  if (how.private) head.append(element("span", "to", how.private));
  const time = element("time", "", clock.format(at));
  time.dateTime = at.toISOString();
  time.title = fullTime.format(at);
  head.append(time);
  const text = element("div", "text");
  if (how.emote) text.append(element("span", "", line.from + " "));
  addText(text, line.text);
  item.append(avatar("div", line.from), head, text);
  add(item);
}

/** @param {Date} at */
function addDay(at) {
  const day = days.format(at);
  if (day === lastDay) return;
  const isFirst = lastDay === "" && day === days.format(new Date());
  lastDay = day;
  last = null;
  if (!isFirst) add(element("li", "day", day));
}

/**
 * @param {string} text
 * @param {boolean} [isWrong]
 */
export function addNotice(text, isWrong) {
  last = null;
  const item = element("li", isWrong ? "notice wrong" : "notice");
  addText(item, text);
  add(item);
}

/** @param {import("./connection.js").ServerMessage<"help">["commands"]} commands */
export function addHelp(commands) {
  last = null;
  const item = element("li", "notice");
  const list = element("dl");
  for (const command of commands) {
    list.append(element("dt", "", command.form[lang]), element("dd", "", command.purpose[lang]));
  }
  item.append(list);
  add(item);
}

// ── texts ──

/**
 * Text with its links and our own name made visible. It takes time in proportion to its length,
 * whatever is in it.
 * @param {HTMLElement} parent
 * @param {string} text
 */
function addText(parent, text) {
  let [done, links, marks] = [0, 0, 0];
  const addPlain = (/** @type {string} */ plain) => {
    let from = 0;
    for (const match of plain.matchAll(ownName)) {
      if (marks === MARKS_MAX) break;
      marks += 1;
      parent.append(plain.slice(from, match.index), element("mark", "", match[0]));
      from = match.index + match[0].length;
    }
    parent.append(plain.slice(from));
  };
  for (const match of text.matchAll(/\bhttps?:\/\/[^\s<>"“”「」（），。、；！？]+/gi)) {
    if (links === LINKS_MAX) break;
    const found = withoutStops(match[0]);
    const link = anchor(found);
    if (!link) continue;
    links += 1;
    addPlain(text.slice(done, match.index));
    parent.append(link);
    done = match.index + found.length;
  }
  addPlain(text.slice(done));
}

/**
 * What ends a sentence or a bracket is not part of a link. An expression for it would look at a row
 * of dots from each of them.
 * @param {string} text
 */
function withoutStops(text) {
  let end = text.length;
  while (".,;:!?'\")]}*".includes(text[end - 1])) end -= 1;
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

// ── elements ──

/**
 * The element of the page with this id.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`the page has no ${kind.name} ${id}`);
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
 * Somebody's first letter, for the eye alone. Its colour is the parent's `--hue`.
 * @param {"div" | "span"} tag
 * @param {string} name
 */
export function avatar(tag, name) {
  const made = element(tag, "avatar", [...name][0] ?? "?");
  made.setAttribute("aria-hidden", "true");
  return made;
}

/**
 * The hue of somebody's colour, in degrees.
 * @param {string} name
 */
export function hue(name) {
  let hash = 0x811c9dc5;
  for (const character of name) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  return String(((hash >>> 8) * 137) % 360);
}

// ── what is shown ──

/**
 * Puts an element at the end of the log, together with others that come at the same time.
 * @param {HTMLElement} item
 */
function add(item) {
  queue.push(item);
  if (queue.length > LINES_MAX) queue.splice(0, queue.length - LINES_MAX);
  schedule();
}

/**
 * Does something, once, when the next lines are shown.
 * @param {() => void} task
 */
export function withNextLines(task) {
  tasks.add(task);
  schedule();
}

function schedule() {
  if (!batch) batch = setTimeout(showBatch, 16);
}

function showBatch() {
  batch = 0;
  const following = isAtEnd();
  log.append(...queue);
  queue = [];
  while (log.children.length > LINES_MAX) log.firstElementChild?.remove();
  log.firstElementChild?.classList.remove("joined");
  if (following) scrollToEnd();
  else down.hidden = false;
  tasks.forEach((task) => task());
  tasks.clear();
}

function isAtEnd() {
  return log.scrollHeight - log.scrollTop - log.clientHeight < 48;
}

export function scrollToEnd() {
  log.scrollTop = log.scrollHeight;
}

down.addEventListener("click", () => {
  scrollToEnd();
  down.hidden = true;
});
log.addEventListener("scroll", () => {
  wasAtEnd = isAtEnd();
  if (wasAtEnd) down.hidden = true;
});
// A phone that is turned, or a keyboard that comes, does not hide the last lines.
new ResizeObserver(() => {
  if (wasAtEnd) scrollToEnd();
}).observe(log);
