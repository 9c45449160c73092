// @ts-check
// The log of a room: what is said becomes elements (their texts are made in text.js). What one says
// oneself stands at the end, grey, until the server has told where in the room's order it is; what
// was told already is not shown again.
import { addLines, addText, Block, element, me, mentionsMe } from "./text.js";
import { clock, days, fullTime, listed, shortTime, words } from "./words.js";

/** @typedef {import("./types.js").Line} Line */
/** @typedef {Line & { type: string }} Said */
/**
 * A place where lines are missing: those after the id `after` and before the id `before`.
 * @typedef {{ rule: HTMLElement, after: number, before: number }} Gap
 */
/** @typedef {import("./types.js").Entered} Entered */
/** @typedef {import("./types.js").Sent} Sent */
/**
 * `id` is known if that came before the line itself; `got` is how many of its lines have come;
 * `asked` is set when the server has answered something that was sent later.
 * @typedef {Sent & { at: number, id?: number, got: number, asked?: boolean, item: HTMLElement }
 *   } Pending
 */

// Lines that are kept on the page. A long session does not slow it down.
const LINES_MAX = 1000;
// Lines of one person within this time have one head.
const TOGETHER_SECONDS = 300;
// So near to its top, in pixels, a log is asked for what is older.
const AT_TOP = 200;
const down = byId("down", HTMLButtonElement);
const up = byId("up", HTMLButtonElement);

/**
 * The log that is on the page, and those that have something to show with the next batch, and what
 * else is to be done then.
 * @type {Log}
 */
let shown;
/** @type {Set<Log>} */
const changed = new Set();
/** @type {Set<() => void>} */
const tasks = new Set();
let batch = 0;
let wasAtEnd = true;
let height = 0;

// ── what is added to a log ──

export class Log {
  /** The element is on the page while the log is shown. */
  element = element("ol");
  /** The id of the last thing that we were told of the room. */
  lastId = 0;
  /** `/history` was asked for: what comes again is to be shown again. */
  recalls = false;
  /** @type {Pending[]} */
  pending = [];
  /** @type {Gap[]} */
  gaps = [];
  /** There may be lines older than the first, which the server has kept. */
  hasOlder = false;
  /** What is said is kept. */
  isKept = false;
  /** How far it was scrolled when it was last shown; null is to the end. */
  scrolled = /** @type {number | null} */ (null);
  #shownId = 0;
  // Lines that are kept on the page, and more while one reads what is old.
  #most = LINES_MAX;
  /**
   * Keys of the last lines said, by which the history is told from what is on the page.
   * @type {string[]}
   */
  #seen = [];
  /**
   * The last line, to see whether the next belongs to it.
   * @type {{ from: string, private: string | undefined, at: number } | null}
   */
  #last = null;
  #lastDay = "";
  /** @type {Block | null} */
  #block = null;
  /**
   * Who has come and gone since anything else happened, and the words of those who went.
   * @type {{ item: HTMLElement, joined: Set<string>, left: Map<string, string> } | null}
   */
  #presence = null;
  /**
   * Stands before the first line that was not read.
   * @type {HTMLElement | null}
   */
  divider = null;
  /**
   * What is to be shown with the next batch.
   * @type {HTMLElement[]}
   */
  #queue = [];
  /**
   * What is to go with the next batch.
   * @type {HTMLElement[]}
   */
  #gone = [];

  constructor() {
    this.element.role = "log";
    this.element.ariaLive = "polite";
    this.element.ariaLabel = words.talk;
    this.element.tabIndex = 0;
    this.element.addEventListener("scroll", () => {
      // It is the window that has changed; `resized` comes next.
      if (this.element.clientHeight !== height) return;
      wasAtEnd = isAtEnd();
      if (wasAtEnd) down.hidden = true;
      if (!isDividerAbove(this)) up.hidden = true;
      if (wasAtEnd) this.#most = LINES_MAX;
      else if (this.element.scrollTop < AT_TOP) atTop(this);
    });
    this.element.addEventListener("wheel", ({ deltaY }) => {
      if (deltaY < 0 && this.element.scrollTop < AT_TOP) atTop(this);
    }, { passive: true });
  }

  /**
   * Shows of a room's history what is not on the page already, whichever server it is from: the
   * ids of one that was restarted say nothing.
   * @param {Entered} told
   */
  showHistory({ history, id }) {
    if (this.#shownId > id) this.#shownId = 0;
    const known = this.lastId;
    this.lastId = 0;
    const keys = history.map(keyOf);
    let fresh = 0;
    for (let from = keys.length; from > 0 && this.#seen.length > 0; from -= 1) {
      const common = Math.min(from, this.#seen.length, 5);
      const end = keys.slice(from - common, from).join();
      if (end === this.#seen.slice(-common).join()) {
        fresh = from;
        break;
      }
    }
    if (fresh === 0 && this.#seen.length > 0 && history.length > 0) {
      this.#addGap(known, history);
    }
    history.slice(fresh).forEach((said) => this.#addSaid(said));
    this.lastId = id;
    this.pending.filter((line) => line.wasSent).forEach((line) => this.giveUp(line));
  }

  /**
   * Shows what was missed, after the same server has found who we are. Returns those lines.
   * @param {import("./types.js").Resumed} told
   */
  resume({ history, gap, id }) {
    if (gap && this.lastId > 0) this.#addGap(this.lastId, history);
    const missed = history.filter((said) => (said.id ?? 0) > this.lastId);
    missed.forEach((said) => this.#addSaid(said));
    this.lastId = Math.max(this.lastId, id);
    return missed;
  }

  /**
   * Adds a line, unless it is on the page already. Returns whether it was added. `how.private` is a
   * private message's note of whom it is for.
   * @param {Line & { type: string }} line
   * @param {{ emote?: boolean, private?: string }} how
   */
  addLine(line, how) {
    const known = line.again ? (this.recalls ? 0 : this.#shownId) : this.lastId;
    if (line.id !== undefined && line.id <= known) return false;
    if (!how.private && !line.again) {
      this.lastId = line.id ?? 0;
      this.#seen.push(keyOf(line));
      if (this.#seen.length > 100) this.#seen = this.#seen.slice(-50);
      if (line.from === me) this.#confirm(line);
    }
    this.#shownId = Math.max(this.#shownId, line.id ?? 0);
    if (this.#block?.goesOn(line) && !how.emote) {
      if (!this.#block.add(line)) this.#block = null;
      this.#change();
      return true;
    }
    const at = new Date(line.at * 1000);
    if (!line.again) this.#addDay(at);
    const item = lineItem(line, how);
    const same = this.#last && this.#last.from === line.from && this.#last.private === how.private;
    if (this.#last && same && line.at - this.#last.at < TOGETHER_SECONDS) {
      item.classList.add("joined");
    }
    this.#add(item);
    this.#last = { from: line.from, private: how.private, at: line.at };
    this.#block = how.emote || how.private ? null : Block.of(item, line);
    return true;
  }

  /** @param {Line & { type: string }} said */
  #addSaid(said) {
    this.addLine({ ...said, again: false }, { emote: said.type === "me" });
  }

  /** @param {Date} at */
  #addDay(at) {
    const day = days.format(at);
    if (day === this.#lastDay) return;
    const isFirst = this.#lastDay === "" && day === days.format(new Date());
    this.#lastDay = day;
    if (!isFirst) this.#addRule(day);
  }

  /**
   * @param {number} after
   * @param {Said[]} history
   */
  #addGap(after, history) {
    const rule = this.addElement(gapItem());
    this.gaps.push({ rule, after, before: history[0]?.id ?? 0 });
  }

  // ── what the server has kept ──

  /** What does not fill the page cannot be scrolled. */
  askIfShort() {
    const { scrollHeight, clientHeight } = this.element;
    if (this === shown && scrollHeight <= clientHeight) atTop(this);
  }

  /** The id of the first line that is on the page; 0 if there is none. */
  get firstId() {
    return Number(this.element.querySelector("[data-id]")?.getAttribute("data-id") ?? 0);
  }

  /**
   * The element of the line with this id.
   * @param {number} id
   * @returns {HTMLElement | null}
   */
  find(id) {
    /** @type {NodeListOf<HTMLElement>} */
    const blocks = this.element.querySelectorAll("[data-last]");
    const has = (/** @type {HTMLElement} */ { dataset }) =>
      Number(dataset.id) <= id && id <= Number(dataset.last);
    return this.element.querySelector(`[data-id="${id}"]`) ?? [...blocks].find(has) ?? null;
  }

  /**
   * Shows lines that are older than the first, and stays where it is.
   * @param {Said[]} lines
   * @param {boolean} more
   */
  showOlder(lines, more) {
    this.showBatch();
    this.hasOlder = more;
    const { scrollHeight, scrollTop, firstElementChild } = this.element;
    this.#most += lines.length;
    this.element.prepend(...olderItems(lines, firstElementChild));
    this.element.scrollTop = scrollTop + this.element.scrollHeight - scrollHeight;
  }

  /**
   * Shows lines that are much older than the first: those between are missing.
   * @param {Said[]} lines
   * @param {boolean} more
   */
  showApart(lines, more) {
    const rule = gapItem();
    this.gaps.push({ rule, after: lines.at(-1)?.id ?? 0, before: this.firstId });
    this.element.prepend(rule);
    this.showOlder(lines, more);
  }

  /**
   * Shows lines where some are missing. Returns whether there are still some before these.
   * @param {Gap} gap
   * @param {Said[]} lines
   * @param {boolean} more
   */
  fill(gap, lines, more) {
    // The place itself may be on the way there.
    this.showBatch();
    const missed = lines.filter(({ id = 0 }) => id > gap.after);
    const following = wasAtEnd && this === shown;
    this.#most += missed.length;
    gap.rule.after(...olderItems(missed, gap.rule.nextElementSibling));
    gap.before = missed[0]?.id ?? gap.before;
    const isWhole = missed.length < lines.length || !more;
    if (isWhole) {
      gap.rule.remove();
      this.gaps = this.gaps.filter((one) => one !== gap);
    }
    if (following) scrollToEnd();
    return !isWhole;
  }

  /**
   * Shows lines that were asked for, at the end.
   * @param {Said[]} lines
   */
  recall(lines) {
    this.recalls = true;
    lines.forEach((said) => this.addLine({ ...said, again: true }, { emote: said.type === "me" }));
  }

  /**
   * Some have come or gone. What happens in a row is told in one notice.
   * @param {{ names: string[], count: number }} told
   * @param {string} [why] what those who went have said, or what is said of it
   */
  addPresence({ names, count }, why) {
    const isJoin = why === undefined;
    const now = this.#presence ?? { item: element("li", "notice"), joined: new Set(), left: new Map() };
    for (const name of names) {
      if (isJoin) now.left.delete(name);
      else now.joined.delete(name);
      if (isJoin) now.joined.add(name);
      else now.left.set(name, why);
    }
    const left = [...now.left].map(([name, reason]) =>
      reason && now.left.size > 1 ? `${name} (${reason})` : name);
    const [only] = now.left.size === 1 ? now.left.values() : [];
    now.item.textContent = [
      now.joined.size > 0 ? words.joined(listed([...now.joined])) : "",
      left.length > 0 ? words.gone(listed(left), only) : "",
    ].filter(Boolean).join(" · ") + words.now(count);
    if (this.#presence) return this.#change();
    this.addElement(now.item);
    this.#presence = now;
  }

  /** What was added last, and what comes, is not read yet. */
  divide() {
    if (this.divider) this.#gone.push(this.divider);
    this.divider = element("li", "day unread", words.unreadFrom);
    this.#queue.splice(Math.max(this.#queue.length - 1, 0), 0, this.divider);
    this.#change();
  }

  /** @param {string} text */
  #addRule(text) {
    return this.addElement(element("li", "day", text));
  }

  /**
   * @param {string} text
   * @param {boolean} [isWrong]
   */
  addNotice(text, isWrong) {
    const item = element("li", isWrong ? "notice wrong" : "notice");
    addText(item, text);
    return this.addElement(item);
  }

  /**
   * Adds names of things, and what is to be said of each.
   * @param {[string | HTMLElement, string][]} entries
   */
  addList(entries) {
    const list = element("dl");
    for (const [name, text] of entries) {
      const term = element("dt");
      term.append(name);
      list.append(term, element("dd", "", text));
    }
    this.addElement(element("li", "notice")).append(list);
  }

  /** @param {HTMLElement} item */
  addElement(item) {
    const added = this.#add(item);
    this.#last = null;
    return added;
  }

  // ── what one says oneself ──

  /**
   * Adds what was written just now.
   * @param {Sent} sent
   */
  addPending(sent) {
    const at = Math.floor(Date.now() / 1000);
    const item = lineItem({ ...sent, at }, pendingHow(sent));
    item.classList.add("pending");
    // It is read out when it is confirmed.
    item.ariaLive = "off";
    this.pending.push({ ...sent, at, item, got: 0 });
    this.#change();
  }

  /**
   * The server has said that the line with this key is the one with this id.
   * @param {string} key
   * @param {number} id
   */
  acknowledge(key, id) {
    const line = this.pending.find((one) => one.key === key);
    if (!line) return;
    line.id = id;
    line.item.classList.remove("pending");
    if (line.to) this.pending = this.pending.filter((one) => one !== line);
    else if (id <= this.lastId) this.#take(line);
  }

  /**
   * The server has sent this to one person alone.
   * @param {{ to: string, text: string }} told
   */
  confirmPrivate({ to, text }) {
    const isIt = (/** @type {Pending} */ one) => one.to?.toLowerCase() === to.toLowerCase() && one.text === text;
    const found = this.pending.find(isIt);
    if (found) this.#take(found);
  }

  /**
   * The server has not done what was sent under this key. Returns what that was.
   * @param {string} key
   */
  takeBack(key) {
    const line = this.pending.find((one) => one.key === key);
    if (line) this.#take(line);
    return line;
  }

  /**
   * The server has answered what was sent after these lines were. If that happens twice, it has
   * not said them, as it does not say what is invisible.
   */
  doubtPending() {
    for (const line of [...this.pending]) {
      if (line.asked) this.giveUp(line);
      line.asked = true;
    }
  }

  /**
   * We have said this.
   * @param {Line & { type: string }} line
   */
  #confirm({ id = 0, text, type }) {
    const isNext = (/** @type {Pending} */ one) =>
      one.text.split("\n")[one.got] === text && one.emote === (type === "me") && one.after < id;
    const isIt = (/** @type {Pending} */ one) => !one.to && (!one.id || id < one.id) && isNext(one);
    const found = this.pending.find((one) => one.id === id || isIt(one));
    if (!found) return;
    found.got += 1;
    if (found.id === id || found.got === found.text.split("\n").length) this.#take(found);
  }

  /** @param {Pending} line */
  #take(line) {
    this.pending = this.pending.filter((one) => one !== line);
    // The line itself comes with the next batch.
    this.#gone.push(line.item);
    this.#change();
  }

  /**
   * It cannot be known whether this was said. Whoever wrote it may send it again.
   * @param {Pending} line
   */
  giveUp(line) {
    this.#take(line);
    if (line.id !== undefined) return;
    const item = this.addElement(lineItem(line, pendingHow(line)));
    item.classList.add("unsure");
    item.append(unsureNote(writtenAs(line)));
  }

  // ── what is shown ──

  /**
   * Puts an element at the end, together with others that come at the same time.
   * @param {HTMLElement} item
   */
  #add(item) {
    this.#queue.push(item);
    this.#block = this.#presence = null;
    if (this.#queue.length > LINES_MAX) this.#queue.splice(0, this.#queue.length - LINES_MAX);
    this.#change();
    return item;
  }

  #change() {
    changed.add(this);
    schedule();
  }

  showBatch() {
    this.#gone.forEach((item) => item.remove());
    this.#gone = [];
    const own = this.pending.map((line) => line.item);
    const isMine = this.#last?.from === me && !this.#last.private;
    own.forEach((item, number) => item.classList.toggle("joined", number > 0 || isMine));
    this.element.append(...this.#queue, ...own);
    this.#queue = [];
    while (this.element.children.length > this.#most) {
      this.element.firstElementChild?.remove();
      this.hasOlder = this.isKept;
    }
    this.element.firstElementChild?.classList.remove("joined");
  }
}

/**
 * Lines as elements, with the days between them. `next` is what comes after them.
 * @param {Said[]} lines
 * @param {Element | null} next
 */
function olderItems(lines, next) {
  /** @type {HTMLElement[]} */
  const items = [];
  let last = "";
  let block = /** @type {Block | null} */ (null);
  for (const said of lines) {
    if (block?.goesOn(said) && said.type === "say") {
      if (!block.add(said)) block = null;
      continue;
    }
    const day = days.format(new Date(said.at * 1000));
    if (day !== last) items.push(element("li", "day", day));
    last = day;
    const item = lineItem(said, { emote: said.type === "me" });
    block = said.type === "say" ? Block.of(item, said) : null;
    items.push(item);
  }
  if (next?.matches(".day") && next.textContent === last) next.remove();
  return items;
}

/** @param {Line & { type: string }} line */
function keyOf(line) {
  return JSON.stringify([line.type, line.from, line.text, line.at]);
}

/** @param {Sent} line */
function pendingHow({ emote, to }) {
  return { emote, private: to && words.to(to) };
}

/**
 * What one types to say this.
 * @param {Sent} line
 */
export function writtenAs({ emote, text, to, isTyped }) {
  if (isTyped) return text;
  if (to) return `/msg ${to} ${text}`;
  return emote ? `/me ${text}` : text.replace(/^\//, "//");
}

/**
 * Says that this may not have been sent, and can be pressed to send it again.
 * @param {string} written
 */
export function unsureNote(written) {
  const button = element("button", "resend", words.resend);
  button.type = "button";
  button.value = written;
  const note = element("div", "note", words.unsure + " ");
  note.append(button);
  return note;
}

/** Stands where lines are missing, and can be pressed to have them. */
function gapItem() {
  const button = element("button", "", words.missed);
  button.type = "button";
  const item = element("li", "day gap");
  item.append(button);
  return item;
}

/**
 * @param {Line} line
 * @param {{ emote?: boolean, private?: string }} how
 */
function lineItem(line, how) {
  const at = new Date(line.at * 1000);
  const item = element("li", "line");
  if (line.id !== undefined) item.dataset.id = String(line.id);
  item.style.setProperty("--hue", hue(line.from));
  if (how.emote) item.classList.add("me");
  if (how.private) item.classList.add("private");
  else if (line.from !== me && mentionsMe(line.text)) item.classList.add("mention");
  const head = element("div", "head");
  const from = element("button", "from", line.from);
  from.type = "button";
  from.value = line.from;
  // All are in the list of people as well, which is shorter.
  from.tabIndex = -1;
  from.dir = "auto";
  head.append(from);
  if (how.private) head.append(element("span", "to", how.private));
  if (line.again) item.classList.add("old");
  const time = element("time", "", (line.again ? shortTime : clock).format(at));
  time.dateTime = at.toISOString();
  time.title = fullTime.format(at);
  head.append(time);
  const text = element("div", "text");
  text.dir = "auto";
  if (how.emote) text.append(element("span", "", line.from + " "));
  addLines(text, line.text);
  item.append(avatar("div", line.from), head, text);
  return item;
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

/**
 * A panel that opens and closes by a button where there is no room for it. Returns what does that.
 * @param {HTMLElement} panel
 * @param {HTMLButtonElement} button
 */
export function drawer(panel, button) {
  const open = (/** @type {boolean} */ is) => {
    panel.classList.toggle("open", is);
    button.ariaExpanded = String(is);
  };
  document.addEventListener("pointerdown", ({ target }) => {
    if (!(target instanceof Node) || panel.contains(target) || button.contains(target)) return;
    if (panel.classList.contains("open")) open(false);
  });
  button.addEventListener("click", () => open(!panel.classList.contains("open")));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !panel.classList.contains("open")) return;
    event.stopImmediatePropagation();
    open(false);
  });
  return open;
}

// ── what is shown ──

/**
 * Puts a log in the place of the one that is on the page.
 * @param {Log} log
 */
export function showLog(log) {
  if (shown) {
    shown.scrolled = wasAtEnd ? null : shown.element.scrollTop;
    shown.element.id = "";
    resized.unobserve(shown.element);
  }
  (shown?.element ?? byId("log", HTMLElement)).replaceWith(log.element);
  log.element.id = "log";
  shown = log;
  log.showBatch();
  log.element.scrollTop = log.scrolled ?? log.element.scrollHeight;
  wasAtEnd = log.scrolled === null;
  down.hidden = wasAtEnd;
  showWayUp();
  resized.observe(log.element);
}

/** Whether what is not read begins above what is to be seen. @param {Log} log */
function isDividerAbove({ divider, element: list }) {
  return divider !== null && divider.isConnected &&
    divider.getBoundingClientRect().bottom < list.getBoundingClientRect().top;
}

/** There is a way to where what is not read begins, if that is not to be seen. */
export function showWayUp() {
  up.hidden = !isDividerAbove(shown);
}

/**
 * What to do when one comes near to the top of a log.
 * @type {(log: Log) => void}
 */
let atTop = () => undefined;

/** @param {(log: Log) => void} task */
export function whenAtTop(task) {
  atTop = task;
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
  changed.forEach((log) => log.showBatch());
  if (following) scrollToEnd();
  else if (changed.has(shown)) down.hidden = false;
  changed.clear();
  tasks.forEach((task) => task());
  tasks.clear();
}

function isAtEnd() {
  const { scrollHeight, scrollTop, clientHeight } = shown.element;
  return scrollHeight - scrollTop - clientHeight < 48;
}

/**
 * Shows a line of the log, and marks it for a moment.
 * @param {HTMLElement} item
 */
export function scrollTo(item) {
  item.scrollIntoView({ block: "center" });
  item.classList.add("sought");
  setTimeout(() => item.classList.remove("sought"), 3000);
}

export function scrollToEnd() {
  shown.element.scrollTop = shown.element.scrollHeight;
}

up.addEventListener("click", () => {
  shown.divider?.scrollIntoView({ block: "start" });
  up.hidden = true;
  shown.element.focus();
});
down.addEventListener("click", () => {
  scrollToEnd();
  down.hidden = true;
});
// A phone that is turned, or a keyboard that comes, does not hide the last lines.
const resized = new ResizeObserver(() => {
  height = shown.element.clientHeight;
  if (wasAtEnd) scrollToEnd();
});
