// @ts-check
// The people: who is in each room, their list beside the log, and whom the next lines are for.
import { send } from "./connection.js";
import { avatar, byId, drawer, element, hue, me, withNextLines } from "./lines.js";
import { collator, words } from "./words.js";

/** @typedef {import("./types.js").Members} Members */

// As many names as the server tells at once.
const NAMES_MAX = 1000;

const list = byId("members", HTMLUListElement);
const composer = byId("composer", HTMLFormElement);
const line = byId("line", HTMLTextAreaElement);
const targetNote = byId("target", HTMLElement);
const [targetText, everyone] = targetNote.children;
const openList = drawer(byId("people", HTMLElement), byId("toggle", HTMLButtonElement));

/** Those who are in one room, as far as they are known. */
export class People {
  /** @type {Set<string>} */
  names = new Set();
  count = 0;
  // A timer, while the names are fewer or more than they should be; also while the server is asked.
  #correcting = 0;

  /** @param {string} room */
  constructor(room) {
    this.room = room;
  }

  /** @param {Members} told */
  set(told) {
    this.names = new Set(told.members);
    this.#setCount(told.count);
  }

  /**
   * Takes the server's answer to who is here. Returns whether it was this script that had asked.
   * @param {Members} told
   */
  correct(told) {
    const hadAsked = this.#correcting !== 0;
    this.set(told);
    if (hadAsked) this.#correcting = 0;
    return hadAsked;
  }

  /** @param {{ names: string[], count: number }} told */
  add(told) {
    told.names.forEach((name) => this.names.add(name));
    this.#setCount(told.count);
  }

  /** @param {{ names: string[], count: number }} told */
  remove(told) {
    told.names.forEach((name) => this.names.delete(name));
    this.#setCount(told.count);
  }

  /**
   * Returns whether it was somebody here.
   * @param {{ old: string, new: string }} names
   */
  rename(names) {
    const wasHere = this.names.delete(names.old);
    if (wasHere) this.names.add(names.new);
    withNextLines(showMembers);
    return wasHere;
  }

  /** @param {number} now */
  #setCount(now) {
    this.count = now;
    withNextLines(showMembers);
    // Of very many who come or go together, not all are named.
    if (this.names.size === now || now > NAMES_MAX || this.#correcting) return;
    this.#correcting = setTimeout(() => {
      const isRight = this.names.size === this.count;
      if (isRight || !send({ type: "who", room: this.room })) this.#correcting = 0;
    }, 500 + Math.random() * 2500);
  }
}

let shown = new People("");
/**
 * Whom the next lines are for; null is everyone. Others read it, `setTarget` changes it.
 * @type {string | null}
 */
export let target = null;

/** @param {People} people */
export function showPeople(people) {
  shown = people;
  showMembers();
}

function showMembers() {
  const { count, names: members } = shown;
  byId("count", HTMLElement).textContent = String(count);
  byId("badge", HTMLElement).textContent = String(count);
  const names = [...members].sort(collator.compare);
  const items = names.map((name) => {
    const button = element("button");
    button.type = "button";
    button.style.setProperty("--hue", hue(name));
    button.append(avatar("span", name), element("span", "name", name));
    if (name === me) {
      button.append(element("span", "you", words.you));
      button.disabled = true;
    } else {
      button.title = words.message(name);
      button.addEventListener("click", () => setTarget(name));
    }
    const item = element("li");
    item.append(button);
    return item;
  });
  if (count > names.length) items.push(element("li", "more", words.more(count - names.length)));
  list.replaceChildren(...items);
}

/** @param {string | null} name */
export function setTarget(name) {
  target = name;
  composer.classList.toggle("private", name !== null);
  targetNote.hidden = name === null;
  targetText.textContent = name === null ? "" : words.toTarget(name);
  openList(false);
  line.focus();
}

everyone.addEventListener("click", () => setTarget(null));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && target !== null) setTarget(null);
});
