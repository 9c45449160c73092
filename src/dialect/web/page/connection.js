// @ts-check
// The connection to the server: a WebSocket, what goes over it as types, and the pauses between
// attempts to connect.

/**
 * A sentence of the server's, in each language.
 * @typedef {{ en: string, zh: string }} Sentence
 */

/**
 * Something that somebody said. `at` is in seconds since 1970; `again` is set for what is told a
 * second time, out of the history. `id` only grows in a room, and is the same for everybody.
 * @typedef {{ from: string, text: string, at: number, again?: boolean, id?: number } & InRoom} Line
 */

/**
 * Which room something is about. Without it, it is the lobby of a server that has no rooms, or
 * about no room.
 * @typedef {{ room?: string }} InRoom
 */

/** @typedef {{ text: string, by?: string, at?: number }} Topic */

/**
 * Who is in the room: at most 1,000 names, and how many there are.
 * @typedef {{ members: string[], count: number }} Members
 */

/**
 * A room as it is told to who comes in, or comes back. `id` is that of the last thing in it.
 * @typedef {{ topic?: Topic, history: ServerMessage<"say" | "me">[], id?: number } & InRoom
 *   & Members} Entered
 */

/**
 * What each type of message from the server has besides its type.
 * @typedef {object} ServerMessages
 * @property {{ motd: string[], line_bytes_max: number }} ask
 * @property {{ name: string, token?: string } & Entered} welcome
 * @property {{ name: string, token: string, rooms: (Entered & { gap?: boolean })[] }} resumed
 * @property {Line} say
 * @property {Line} me
 * @property {Line} msg
 * @property {{ to: string, text: string, at: number }} sent
 * @property {{ names: string[], count: number } & InRoom} join
 * @property {{ names: string[], count: number, words?: string, why?: Sentence } & InRoom} leave
 * @property {{ old: string, new: string }} nick
 * @property {Members & InRoom} who
 * @property {{ rooms: { room: string, count: number, topic?: string }[], more?: number }} rooms
 * @property {{ room: string } & Topic} topic
 * @property {{ room: string }} part
 * @property {{ from: string, room: string }} invite
 * @property {{ key: string, id: number }} ack
 * @property {{ names: string[], text: Sentence }} ignoring
 * @property {{ commands: { form: Sentence, purpose: Sentence }[] }} help
 * @property {{ text: Sentence }} notice
 * @property {{ why: string, text: Sentence } & InRoom} refused
 * @property {{}} goodbye
 * @property {{}} stopping
 */

/**
 * A message from the server, of one of these types.
 * @template {keyof ServerMessages} [Type=keyof ServerMessages]
 * @typedef {{ [T in Type]: { type: T } & ServerMessages[T] }[Type]} ServerMessage
 */

/**
 * A message to the server. There are more; the page writes them as text that begins with `/`.
 * @typedef {{ type: "nick", name: string }
 *   | { type: "resume", token: string, rooms: Record<string, number> }
 *   | { type: "say" | "me", text: string, room?: string, key?: string }
 *   | { type: "msg", to: string, text: string }
 *   | { type: "join" | "part" | "topic", room: string }
 *   | { type: "rooms" }
 *   | { type: "who", room?: string }} ClientMessage
 */

// Pauses between attempts to connect again, in seconds. For the first minute they are short, so
// that after a restart of the server everybody is back within 5 seconds.
const PAUSES = [0.5, 1, 2, 3, ...Array(15).fill(4), 10, 20, 30];

/** @type {WebSocket | null} */
let socket = null;
/** @type {() => void} */
let whenClosed = () => {};
// When the server was heard last, or was asked something.
let heardAt = 0;
// Attempts to connect since the last success.
let attempts = 0;
let timer = 0;

/**
 * Opens a connection. One that is still there is closed first; what it says then is not for us.
 * @param {(message: ServerMessage) => void} onMessage
 * @param {() => void} onClose
 */
export function connect(onMessage, onClose) {
  clearTimeout(timer);
  const old = socket;
  socket = null;
  old?.close();
  const opened = new WebSocket(location.origin.replace(/^http/, "ws") + "/ws");
  socket = opened;
  whenClosed = onClose;
  awaitAnswer();
  opened.onmessage = (message) => {
    if (socket !== opened) return;
    heardAt = Date.now();
    onMessage(JSON.parse(message.data));
  };
  opened.onclose = () => {
    if (socket === opened) drop();
  };
}

/** Gives the connection up. A dead one may take minutes to say that it is closed. */
export function drop() {
  const old = socket;
  socket = null;
  old?.close();
  whenClosed();
}

/** Counts how long the server is quiet from now on. */
export function awaitAnswer() {
  heardAt = Date.now();
}

/** For how long nothing has been heard, in milliseconds. */
export function quietFor() {
  return Date.now() - heardAt;
}

/** Whether there is a connection, or will be one soon. */
export function isConnected() {
  return socket !== null;
}

/**
 * Returns whether the message could be sent.
 * @param {ClientMessage} message
 */
export function send(message) {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(message));
  return true;
}

/**
 * Calls `reconnect` after a pause that grows with each attempt. Returns its seconds.
 * @param {() => void} reconnect
 */
export function reconnectLater(reconnect) {
  const pause = PAUSES[Math.min(attempts, PAUSES.length - 1)];
  attempts += 1;
  // Not all at once, when a server comes back.
  later(pause * 1000 * (0.6 + Math.random() / 2), reconnect);
  return Math.ceil(pause);
}

/** The next pause is the shortest again. */
export function resetPauses() {
  attempts = 0;
}

/**
 * The next attempt at something. A later call, or a new connection, replaces it.
 * @param {number} milliseconds
 * @param {() => void} attempt
 */
export function later(milliseconds, attempt) {
  clearTimeout(timer);
  timer = setTimeout(attempt, milliseconds);
}
