// @ts-check
// Completion: names and commands, by Tab or after `@` and `/`. What fits stands in a list above what
// is written, and the focus stays in the text.
import { byId } from "./lines.js";
import * as rooms from "./rooms.js";
import { element, me } from "./text.js";
import { collator } from "./words.js";

// What is offered at once.
const OFFERS_MAX = 8;
const COMMANDS = (
  "me msg reply nick who whois history search forget join part rooms topic invite ignore unignore " +
  "register login password logout unregister oper room op deop voice devoice kick ban unban bans " +
  "mute unmute kill lock slow announce audit reload help quit"
).split(" ").map((name) => "/" + name);

const line = byId("line", HTMLTextAreaElement);
const list = byId("offers", HTMLUListElement);

/**
 * What is offered, which of it is chosen, and where in the text it would go. `wasMoved`: somebody
 * has chosen it by the arrow keys.
 * @type {{ texts: string[], chosen: number, from: number, wasMoved: boolean } | null}
 */
let offer = null;

/**
 * What fits to what is written before the cursor.
 * @param {boolean} isAsked also without `@`
 */
function find(isAsked) {
  const before = line.value.slice(0, line.selectionStart);
  const word = /\S*$/.exec(before)?.[0] ?? "";
  const from = before.length - word.length;
  if (word.startsWith("/") && from === 0) return { from, texts: startingWith(COMMANDS, word) };
  const opening = /^[@([]*/.exec(word)?.[0] ?? "";
  const start = word.slice(opening.length);
  if (!opening.includes("@") && (!isAsked || start === "")) return { from, texts: [] };
  const names = [...rooms.active.people.names].filter((name) => name !== me);
  return { from: from + opening.length, texts: startingWith(names.sort(collator.compare), start) };
}

/**
 * @param {string[]} texts
 * @param {string} start
 */
function startingWith(texts, start) {
  const lower = start.toLowerCase();
  const fits = texts.filter((text) => text.toLowerCase().startsWith(lower));
  return fits.slice(0, OFFERS_MAX);
}

/** @param {boolean} isAsked */
function show(isAsked) {
  const { from, texts } = find(isAsked);
  if (texts.length === 0) {
    close();
    return texts;
  }
  offer = { from, texts, chosen: 0, wasMoved: false };
  list.replaceChildren(...texts.map((text, number) => {
    const item = element("li", "", text);
    item.role = "option";
    item.id = `offer-${number}`;
    item.dir = "auto";
    // The focus stays in the text.
    item.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      take(text);
    });
    return item;
  }));
  choose(0);
  list.hidden = false;
  return texts;
}

/** @param {number} number */
function choose(number) {
  if (!offer) return;
  offer.chosen = number;
  [...list.children].forEach((item, at) => item.ariaSelected = String(at === number));
  line.setAttribute("aria-activedescendant", `offer-${number}`);
}

export function close() {
  offer = null;
  list.hidden = true;
  line.removeAttribute("aria-activedescendant");
}

/** @param {string} text */
function take(text) {
  if (!offer) return;
  const { from } = offer;
  close();
  const isAddress = from === 0 && !text.startsWith("/");
  line.setRangeText(text + (isAddress ? ": " : " "), from, line.selectionStart, "end");
  line.focus();
}

/**
 * Takes a key if it is about completion. Returns whether it was.
 * @param {KeyboardEvent} event
 */
export function press({ key, shiftKey, ctrlKey, metaKey }) {
  if (shiftKey || ctrlKey || metaKey) return false;
  if (!offer) return key === "Tab" && begin();
  const { texts, chosen, from, wasMoved } = offer;
  const typed = line.value.slice(from, line.selectionStart);
  // A command that is typed to its end is meant as it is, and a name too.
  const isTaken = wasMoved || (!texts[0].startsWith("/") && typed !== texts[chosen]);
  if (key === "Tab" || (key === "Enter" && isTaken)) take(texts[chosen]);
  else if (key === "Escape") close();
  else if (key === "ArrowDown" || key === "ArrowUp") {
    choose((chosen + (key === "ArrowDown" ? 1 : -1) + texts.length) % texts.length);
    offer.wasMoved = true;
  } else return false;
  return true;
}

/** Offers what fits; if that is one thing, takes it. Otherwise Tab leads out of the text. */
function begin() {
  const texts = show(true);
  if (texts.length === 1) take(texts[0]);
  return texts.length > 0;
}

line.addEventListener("input", () => show(false));
line.addEventListener("blur", close);
