// What goes between the page and the server, and what the page says in each language: for the type
// checker alone. The page does not load this.

/** A sentence of the server's, in each language. */
export type Sentence = { en: string; zh: string };

/** Which room something is about, if it is about one. */
export type InRoom = { room?: string };

/**
 * Something that somebody said. `at` is in seconds since 1970; `again` is set for what is told a
 * second time, out of the history. `id` only grows in a room, and is the same for everybody.
 */
export type Line = InRoom & {
  from: string;
  text: string;
  at: number;
  again?: boolean;
  id?: number;
};

/** What somebody is in a room besides a member. */
export type Rank = "operator" | "voice";

/** Those who have a rank in a room. */
export type Ranked = { operators?: string[]; voiced?: string[] };

/** Who is in a room: at most 1,000 names, and how many there are. */
export type Members = Ranked & { members: string[]; count: number };

/** What a room is about: nothing, if the text is empty. */
export type Topic = { text: string; by?: string; at?: number };

/** A room, as it is told to who comes in or comes back. `id` is that of the last thing in it. */
export type Entered = Members & {
  room: string;
  topic?: Topic;
  history: ServerMessage<"say" | "me">[];
  id: number;
  kept?: boolean;
};

/** A room that we were cut off from. With a gap, the history is not all that we have missed. */
export type Resumed = Entered & { gap: boolean };

/**
 * What we say, known by its key until the server has confirmed it. `after` is the id of the last
 * thing in the room when it was written. The text may have several lines; `to` is whom alone it is for.
 */
export type Sent = {
  key: string;
  from: string;
  text: string;
  emote: boolean;
  after: number;
  to?: string;
  /** It is as it was typed, and not sent: perhaps a command. */
  isTyped?: boolean;
  /** It was sent, in this connection or one before. */
  wasSent?: boolean;
};

/** The key of what is answered, if it had one. */
export type Asked = { key?: string };

/** What is set for a room: the letters of what is on, and whether one needs a key. */
export type Settings = { flags: string; has_key: boolean; limit: number | null };

/** A line that was looked for. */
export type Hit = { room: string; from: string; text: string; at: number; id: number; me?: boolean };

/** What each type of message from the server has besides its type. */
type ServerMessages = {
  password: object;
  login: { name: string };
  account: { event: string; name: string; token?: string; text: Sentence };
  ask: { motd: string[]; line_bytes_max: number };
  welcome: Entered & { name: string; token?: string };
  resumed: { name: string; token: string; rooms: Resumed[] };
  say: Line;
  me: Line;
  msg: Line;
  sent: { to: string; text: string; at: number };
  history: InRoom & Asked & { lines: ServerMessage<"say" | "me">[]; more: boolean };
  found: Asked & { lines: Hit[]; more: boolean };
  ack: { key: string; id: number };
  join: InRoom & { names: string[]; count: number };
  leave: InRoom & { names: string[]; count: number; words?: string; why?: Sentence };
  removed: InRoom & { name: string; count: number; text: Sentence };
  out: InRoom & { how: "kick" | "ban" | "kill"; text: Sentence };
  rank: InRoom & { name: string; rank: Rank | null; text: Sentence };
  set: InRoom & { what: string; value: string; text: Sentence };
  settings: InRoom & Ranked & Settings & { text: Sentence };
  nick: { old: string; new: string };
  who: InRoom & Members;
  rooms: { rooms: { room: string; count: number; topic?: string }[]; more?: number };
  topic: { room: string } & Topic;
  part: { room: string };
  invite: { from: string; room: string };
  ignoring: { names: string[]; text: Sentence };
  help: { commands: { form: Sentence; purpose: Sentence }[] };
  notice: { text: Sentence; answer?: string };
  refused: InRoom & Asked & { why: string; text: Sentence };
  goodbye: object;
  stopping: object;
  relay: { back: boolean };
};

export type ServerType = keyof ServerMessages;

/** A message from the server, of one of these types. */
export type ServerMessage<Type extends ServerType = ServerType> = {
  [T in Type]: { type: T } & ServerMessages[T];
}[Type];

/** A message to the server. There are more; the page writes them as text that begins with `/`. */
export type ClientMessage =
  | { type: "password"; text: string }
  | { type: "nick" | "ignore" | "unignore"; name: string }
  | { type: "login"; name: string; token: string }
  | { type: "resume"; token: string; rooms: Record<string, number> }
  | { type: "say" | "me"; text: string; room?: string; key?: string }
  | { type: "say"; lines: string[]; room?: string; key: string }
  | { type: "msg"; to: string; text: string; key: string }
  | { type: "help" }
  | { type: "join"; room: string; text?: string; key: string }
  | { type: "part" | "topic"; room: string }
  | { type: "rooms" }
  | { type: "history"; room: string; before: number; count: number; key: string }
  | { type: "search"; text: string; key: string }
  | { type: "who"; room: string };

/** What the page itself says. */
export type Words = {
  password: string;
  question: string;
  login: (name: string) => string;
  otherName: string;
  hint: string;
  join: string;
  people: string;
  notify: string;
  talk: string;
  write: string;
  send: string;
  down: string;
  everyone: string;
  rooms: string;
  allRooms: string;
  joinRoom: string;
  leave: string;
  nowhere: string;
  resend: string;
  you: string;
  connecting: string;
  here: (name: string) => string;
  again: (seconds: number) => string;
  taken: string;
  unreachable: string;
  left: string;
  stopping: string;
  relayAway: string;
  relayBack: string;
  to: (name: string) => string;
  forYou: string;
  toTarget: (name: string) => string;
  message: (name: string) => string;
  joined: (names: string) => string;
  gone: (names: string, why: string | undefined) => string;
  now: (count: number) => string;
  up: string;
  unreadFrom: string;
  waiting: string;
  linesMax: (lines: number) => string;
  sound: string;
  mention: string;
  offers: string;
  unmute: string;
  unban: string;
  purposes: Record<string, string>;
  keys: [string, string][];
  renamed: (old: string, name: string) => string;
  members: (names: string, count: number) => string;
  more: (count: number) => string;
  tooLong: (bytes: number) => string;
  missed: string;
  search: string;
  searchHint: string;
  nothingFound: string;
  moreFound: string;
  close: string;
  unsure: string;
  bound: (room: string) => string;
  joinThis: (room: string) => string;
  leaveThis: (room: string) => string;
  parted: (room: string) => string;
  invited: (from: string, room: string) => string;
  guest: string;
  account: string;
  operator: string;
  voiced: string;
  guestHint: (name: string) => string;
  accountHint: (name: string) => string;
  newPassword: string;
  register: string;
  logout: string;
  deeds: (name: string) => string;
  writeTo: string;
  ignore: string;
  unignore: string;
  whois: string;
  kick: string;
  banHere: string;
  ban: string;
  mute: string;
  voice: string;
  devoice: string;
  op: string;
  deop: string;
  why: string;
  howLong: string;
  spans: Record<string, string>;
  yes: string;
  tooLate: string;
  settings: string;
  settingsOf: (room: string) => string;
  inCharge: string;
  setTopic: string;
  setModerated: string;
  setInvite: string;
  setSecret: string;
  setMembers: string;
  setKey: string;
  hasKey: string;
  noKey: string;
  dropKey: string;
  setLimit: string;
  set: string;
  keyOf: (room: string) => string;
  topic: (text: string, by: string | undefined) => string;
  noTopic: string;
  count: (count: number) => string;
  unread: (room: string, unread: number, mentions: number) => string;
};
