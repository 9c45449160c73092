// @ts-check
// The connection to the server: a WebSocket, what goes over it as types, and the pauses between
// attempts to connect.

/**
 * A sentence of the server's, in each language.
 * @typedef {{ en: string, zh: string }} Sentence
 */

/**
 * Something that somebody said. `at` is in seconds since 1970; `again` is set for what is told a
 * second time, out of the history.
 * @typedef {{ from: string, text: string, at: number, again?: boolean }} Line
 */

/**
 * Who is in the room: at most 1,000 names, and how many there are.
 * @typedef {{ members: string[], count: number }} Members
 */

/**
 * What each type of message from the server has besides its type.
 * @typedef {object} ServerMessages
 * @property {{ motd: string[], line_bytes_max: number }} ask
 * @property {{ name: string, history: ServerMessage<"say" | "me">[] } & Members} welcome
 * @property {Line} say
 * @property {Line} me
 * @property {Line} msg
 * @property {{ to: string, text: string, at: number }} sent
 * @property {{ names: string[], count: number }} join
 * @property {{ names: string[], count: number, words?: string, why?: Sentence }} leave
 * @property {{ old: string, new: string }} nick
 * @property {Members} who
 * @property {{ names: string[], text: Sentence }} ignoring
 * @property {{ commands: { form: Sentence, purpose: Sentence }[] }} help
 * @property {{ text: Sentence }} notice
 * @property {{ why: string, text: Sentence }} refused
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
 *   | { type: "say", text: string }
 *   | { type: "msg", to: string, text: string }
 *   | { type: "who" }} ClientMessage
 */

// Pauses between attempts to connect again, in seconds.
const PAUSES = [1, 2, 4, 8, 15, 30];

/** @type {WebSocket | null} */
let socket = null;
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
  opened.onmessage = (message) => {
    if (socket === opened) onMessage(JSON.parse(message.data));
  };
  opened.onclose = () => {
    if (socket !== opened) return;
    socket = null;
    onClose();
  };
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
  later(pause * 1000 * (0.75 + Math.random() / 2), reconnect);
  return pause;
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
