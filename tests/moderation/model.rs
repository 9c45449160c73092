//! A random life of a few people, some of whom are in charge of something, and a naive model of who
//! may do what. It knows the rules and none of the code: whatever somebody asks for, it says
//! whether it is done or by which refusal; and again and again everybody tries to speak, and says
//! who is there.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use chinwag::ConnectionKey;
use chinwag::archive::{AccountAnswer, AccountChange, Kept};
use chinwag::dialect::Dialect;
use fastrand::Rng;

use super::people::{HERE, NOW, People, name};

/// Names that people take; the first are accounts.
const NAMES: [&str; 6] = ["ann", "ben", "cat", "dan", "eve", "fay"];
const ACCOUNTS: [&str; 2] = ["ann", "ben"];
const ROOMS: [&str; 3] = ["lobby", "ops", "tea"];
const STEPS: usize = 60;

/// Whether something is done, or how the refusal begins.
type Outcome = Result<(), &'static str>;

#[derive(Clone, Debug, PartialEq)]
enum Target {
    Account(&'static str),
    Address(Ipv4Addr),
}

#[derive(Clone, Debug)]
struct Sanction {
    target: Target,
    whom: String,
    until: u64,
}

#[derive(Clone, Debug)]
struct Person {
    key: ConnectionKey,
    name: String,
    address: Ipv4Addr,
    account: Option<&'static str>,
    is_operator: bool,
    room: &'static str,
    came_at: u64,
    spoke_at: Option<u64>,
}

/// 2 is in charge, 1 may speak.
type Rank = u8;

#[derive(Clone, Debug, Default)]
struct Room {
    ranks: BTreeMap<String, Rank>,
    of_accounts: BTreeMap<&'static str, Rank>,
    moderated: bool,
    invite: bool,
    topic: bool,
    key: bool,
    limit: Option<usize>,
    bans: Vec<Sanction>,
    /// Keys of those who were invited, and have not come in since.
    invited: Vec<ConnectionKey>,
    /// It stays when nobody is in it, since somebody has an account in charge or said something.
    is_kept: bool,
}

/// The age from which one may speak, and who was here, and from where.
type Lock = (Option<u64>, Vec<(String, Ipv4Addr)>);

struct Model {
    rng: Rng,
    people: People,
    here: Vec<Person>,
    rooms: BTreeMap<&'static str, Room>,
    bans: Vec<Sanction>,
    mutes: Vec<Sanction>,
    lock: Option<Lock>,
    slow: Option<u64>,
    now: u64,
}

/// Lives through one seed.
pub(crate) fn live(seed: u64) {
    let mut people = People::with_operator();
    people.hub().restore(Kept::default());
    people.hub().record_entries();
    let accounts = ACCOUNTS.iter().map(|account| AccountChange::Added(name(account)));
    people.hub().handle_accounts(accounts.collect());
    let rooms = BTreeMap::from([("lobby", Room { is_kept: true, ..Room::default() })]);
    let mut model = Model {
        rng: Rng::with_seed(seed),
        people,
        here: Vec::new(),
        rooms,
        bans: Vec::new(),
        mutes: Vec::new(),
        lock: None,
        slow: None,
        now: NOW,
    };
    for _ in 0..STEPS {
        model.step();
    }
    model.people.hub().replays_alike().unwrap_or_else(|why| panic!("seed {seed}: {why}"));
}

impl Model {
    fn step(&mut self) {
        // Turns take a moment each, so no bound may lie on a whole second.
        let wait = if self.rng.u8(..4) == 0 { self.rng.u64(1..900) } else { 0 };
        self.people.wait(Duration::from_secs(wait));
        self.now = self.people.hub().unix_seconds();
        match self.rng.u8(..10) {
            _ if self.here.len() < 2 => self.come(),
            0 | 1 if self.here.len() < 5 => self.come(),
            2 => self.try_all(),
            3 => self.go(),
            _ => self.ask(),
        }
    }

    fn some<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.rng.usize(..all.len())]
    }

    fn somebody(&mut self) -> usize {
        self.rng.usize(..self.here.len())
    }

    // ── coming and going ─────────────────────────────────────────────────────────────────────────

    fn come(&mut self) {
        // Nobody is to be kept from trying passwords.
        self.people.wait(Duration::from_secs(40));
        self.now = self.people.hub().unix_seconds();
        let wanted = self.some(&NAMES);
        let address = match self.rng.u8(..3) {
            0 => HERE,
            n => Ipv4Addr::new(192, 0, 2, n),
        };
        let key = self.people.comes_from(address, Dialect::Lines, wanted);
        let is_account = ACCOUNTS.contains(&wanted);
        let mut account = None;
        if is_account {
            self.people.sees(key, &format!("* {wanted} is registered. Password?"));
            if self.rng.bool() {
                self.people.tries(key, "wrong123", AccountAnswer::Wrong);
                self.people.sees(key, "! That is not the password.");
                return self.people.leaves(key);
            }
            let done = AccountAnswer::Done(Some(name(wanted)), None);
            self.people.tries(key, "right123", done);
            account = ACCOUNTS.into_iter().find(|it| *it == wanted);
            // Whoever had the name has another one, if its owner may come in.
            if !hit(&self.bans, (account, address), self.now)
                && let Some(at) = self.here.iter().position(|it| it.name == wanted)
            {
                let names = (2..).map(|number| format!("{wanted}_{number}"));
                let is_free = |name: &String| !self.here.iter().any(|it| it.name == *name);
                let other = names.into_iter().find(is_free).unwrap();
                self.people.sees(self.here[at].key, &format!("* {wanted} is now {other}"));
                self.rename(at, &other);
            }
        }
        let who = (account, address);
        let expected = if hit(&self.bans, who, self.now) {
            "! You are banned"
        } else if account.is_none() && self.is_locked_out(wanted, address) {
            "! The server is locked"
        } else if self.here.iter().any(|it| it.name == wanted) {
            "! The nickname"
        } else {
            "* You are "
        };
        self.people.sees(key, expected);
        if expected.starts_with('!') {
            return self.people.leaves(key);
        }
        self.here.push(Person {
            key,
            name: wanted.to_owned(),
            address,
            account,
            is_operator: false,
            room: "lobby",
            came_at: self.now,
            spoke_at: None,
        });
        self.enter(self.here.len() - 1, "lobby");
        if self.rng.u8(..4) == 0 {
            let at = self.here.len() - 1;
            self.people.becomes_operator(key);
            self.here[at].is_operator = true;
        }
    }

    fn is_locked_out(&self, wanted: &str, address: Ipv4Addr) -> bool {
        let Some((None, present)) = &self.lock else { return false };
        !present.iter().any(|(name, from)| name == wanted && *from == address)
    }

    fn go(&mut self) {
        let at = self.somebody();
        self.people.says(self.here[at].key, "/quit");
        self.forget(at);
    }

    /// Somebody is not here any more.
    fn forget(&mut self, at: usize) {
        let person = self.here.remove(at);
        self.leave_room(&person);
    }

    /// Nothing is left of somebody's being in a room.
    fn leave_room(&mut self, person: &Person) {
        let room = self.rooms.get_mut(person.room).unwrap();
        room.ranks.remove(&person.name);
        let is_empty = !self.here.iter().any(|it| it.room == person.room && it.key != person.key);
        // Nobody could come in again.
        let is_headless = !room.of_accounts.values().any(|rank| *rank == 2);
        room.invite &= !is_empty || !is_headless || person.room == "lobby";
        let is_set = room.moderated || room.invite || room.key || room.limit.is_some();
        let has_rights = is_set || !room.topic || !room.of_accounts.is_empty();
        let is_kept = room.is_kept || has_rights || !room.bans.is_empty();
        if is_empty {
            room.invited.clear();
            if !is_kept {
                self.rooms.remove(person.room);
            }
        }
    }

    /// Somebody is in a room now.
    fn enter(&mut self, at: usize, room: &'static str) {
        self.here[at].room = room;
        let is_empty = self.here.iter().filter(|it| it.room == room).count() == 1;
        let Person { key, name, account, .. } = self.here[at].clone();
        let entered = self.rooms.entry(room).or_insert(Room { topic: true, ..Room::default() });
        entered.invited.retain(|other| *other != key);
        let is_headless = !entered.of_accounts.values().any(|rank| *rank == 2);
        let of_account = account.and_then(|account| entered.of_accounts.get(account).copied());
        let opens = room != "lobby" && is_empty && is_headless;
        if opens {
            entered.ranks.insert(name, 2);
            entered.of_accounts.extend(account.map(|account| (account, 2)));
        } else if let Some(rank) = of_account {
            entered.ranks.insert(name, rank);
        }
    }

    fn rename(&mut self, at: usize, other: &str) {
        let person = &mut self.here[at];
        let old = std::mem::replace(&mut person.name, other.to_owned());
        for room in self.rooms.values_mut() {
            if let Some(rank) = room.ranks.remove(&old) {
                room.ranks.insert(other.to_owned(), rank);
            }
        }
    }

    // ── what is so ───────────────────────────────────────────────────────────────────────────────

    fn rank(&self, at: usize) -> Rank {
        let person = &self.here[at];
        self.rooms[person.room].ranks.get(&person.name).copied().unwrap_or(0)
    }

    fn is_in_charge(&self, at: usize) -> bool {
        self.here[at].is_operator || self.rank(at) == 2
    }

    fn is_muted(&self, at: usize) -> bool {
        let person = &self.here[at];
        !person.is_operator && hit(&self.mutes, (person.account, person.address), self.now)
    }

    /// Whether somebody may do what others are told, wherever that is.
    fn silence(&self, at: usize) -> Outcome {
        let person = &self.here[at];
        let age = self.lock.as_ref().and_then(|(age, _)| *age);
        let is_new = age.is_some_and(|age| person.came_at + age > self.now);
        if self.is_muted(at) {
            Err("! You are muted")
        } else if is_new && person.account.is_none() && !person.is_operator {
            Err("! The server is locked: you are too new")
        } else {
            Ok(())
        }
    }

    fn may_speak(&self, at: usize) -> Outcome {
        let person = &self.here[at];
        let spoke_at = person.spoke_at.unwrap_or(person.came_at);
        self.silence(at)?;
        if self.is_in_charge(at) {
            Ok(())
        } else if self.rooms[person.room].moderated && self.rank(at) == 0 {
            Err("! This room is moderated")
        } else if self.slow.is_some_and(|slow| spoke_at + slow > self.now) {
            Err("! Slow mode")
        } else {
            Ok(())
        }
    }

    /// Everybody tries to speak, and asks who is there.
    fn try_all(&mut self) {
        for at in 0..self.here.len() {
            let expected = self.may_speak(at);
            let (key, room) = (self.here[at].key, self.here[at].room);
            let told = self.people.asks(key, "hello");
            check("hello", &told, expected);
            if expected.is_ok() {
                self.rooms.get_mut(room).unwrap().is_kept = true;
                if self.slow.is_some() {
                    self.here[at].spoke_at = Some(self.now);
                }
            }
            let mut names: Vec<_> = self.here.iter().filter(|it| it.room == room).collect();
            names.sort_by_key(|it| it.name.clone());
            let names: Vec<_> = names.into_iter().map(|it| it.name.as_str()).collect();
            let who = format!("* {} here: {}", names.len(), names.join(", "));
            assert_eq!(self.people.asks(key, "/who"), [who]);
        }
    }

    // ── what somebody asks for ───────────────────────────────────────────────────────────────────

    fn ask(&mut self) {
        let at = self.somebody();
        match self.rng.u8(..12) {
            0..=2 => self.join(at),
            3 => self.set(at),
            4 | 5 => self.give_rank(at),
            6 => self.kick(at),
            7 => self.ban_from_room(at),
            8 => self.sanction(at),
            9 => self.lift(at),
            10 => self.invite(at),
            _ => self.rule(at),
        }
    }

    fn asks(&mut self, at: usize, line: &str, expected: Outcome) -> bool {
        let told = self.people.asks(self.here[at].key, line);
        check(line, &told, expected);
        expected.is_ok()
    }

    fn join(&mut self, at: usize) {
        let (room, with_key) = (self.some(&ROOMS), self.rng.bool());
        let person = self.here[at].clone();
        let expected = self.may_enter(&person, room, with_key);
        let line = if with_key { format!("/join {room} sesame") } else { format!("/join {room}") };
        // Only a room that is there has a key.
        let is_name = !with_key || self.rooms.contains_key(room);
        let expected = if is_name { expected } else { Err("! ") };
        if self.asks(at, &line, expected) {
            self.here[at].room = "";
            self.leave_room(&person);
            self.enter(at, room);
        }
    }

    fn may_enter(&self, person: &Person, room: &'static str, with_key: bool) -> Outcome {
        if person.room == room {
            return Err("! You are in");
        }
        let Some(it) = self.rooms.get(room) else {
            let at = self.here.iter().position(|it| it.key == person.key).unwrap();
            return self.silence(at);
        };
        let rank = person.account.and_then(|account| it.of_accounts.get(account));
        if person.is_operator || rank == Some(&2) {
            return Ok(());
        }
        if hit(&it.bans, (person.account, person.address), self.now) {
            return Err("! You are banned from");
        }
        if rank.is_some() {
            return Ok(());
        }
        if it.invited.contains(&person.key) {
            return Ok(());
        }
        let count = self.here.iter().filter(|it| it.room == room).count();
        match it {
            Room { invite: true, .. } => Err("! #"),
            Room { key: true, .. } if !with_key => Err("! #"),
            Room { limit: Some(limit), .. } if count >= *limit && count > 0 => Err("! #"),
            _ => Ok(()),
        }
    }

    fn set(&mut self, at: usize) {
        let what = self.rng.u8(..5);
        let on = self.rng.bool();
        let on_off = if on { "on" } else { "off" };
        let line = match what {
            0 => format!("/room moderated {on_off}"),
            1 => format!("/room i {on_off}"),
            2 => format!("/room topic {on_off}"),
            3 => format!("/room key {}", if on { "sesame" } else { "off" }),
            _ => format!("/room limit {}", if on { "2" } else { "off" }),
        };
        let expected = match self.charge(at) {
            // Everybody begins there.
            Ok(()) if self.here[at].room == "lobby" && [1, 3, 4].contains(&what) => {
                Err("! Everybody begins")
            }
            expected => expected,
        };
        if self.asks(at, &line, expected) {
            let room = self.rooms.get_mut(self.here[at].room).unwrap();
            match what {
                0 => room.moderated = on,
                1 => {
                    room.invite = on;
                    if on {
                        room.invited.clear();
                    }
                }
                2 => room.topic = on,
                3 => room.key = on,
                _ => room.limit = on.then_some(2),
            }
        }
        let topic = self.rooms[self.here[at].room].topic;
        let is_anybodys = !topic || self.is_in_charge(at);
        let may = if is_anybodys { Ok(()) } else { Err("! Only an operator of #") };
        if self.asks(at, "/topic tea", self.may_speak(at).and(may)) {
            self.rooms.get_mut(self.here[at].room).unwrap().is_kept = true;
        }
    }

    fn charge(&self, at: usize) -> Outcome {
        self.silence(at)?;
        if self.is_in_charge(at) { Ok(()) } else { Err("! Only an operator of #") }
    }

    fn rule_over_all(&self, at: usize) -> Outcome {
        self.silence(at)?;
        if self.here[at].is_operator { Ok(()) } else { Err("! Only an operator of the server") }
    }

    fn give_rank(&mut self, at: usize) {
        let (other, what) = (self.somebody(), self.rng.u8(..4));
        let (word, rank, on): (_, Rank, _) = match what {
            0 => ("op", 2, true),
            1 => ("deop", 2, false),
            2 => ("voice", 1, true),
            _ => ("devoice", 1, false),
        };
        let (name, room) = (self.here[other].name.clone(), self.here[at].room);
        let has = if self.here[other].room == room { self.rank(other) } else { 0 };
        let expected = self.charge(at).and(match (on, has) {
            _ if self.here[other].room != room => Err("! "),
            (true, has) if has >= rank => Err("! "),
            (false, has) if has != rank => Err("! "),
            _ => Ok(()),
        });
        if self.asks(at, &format!("/{word} {name}"), expected) {
            let account = self.here[other].account;
            let room = self.rooms.get_mut(room).unwrap();
            if on {
                room.ranks.insert(name, rank);
                room.of_accounts.extend(account.map(|account| (account, rank)));
            } else {
                room.ranks.remove(&name);
                room.of_accounts.retain(|it, _| Some(*it) != account);
            }
        }
    }

    /// Whether somebody may put somebody out or silence them.
    fn may_touch(&self, at: usize, other: usize) -> Outcome {
        let account = self.here[other].account;
        let is_oneself = at == other || account.is_some() && account == self.here[at].account;
        match (is_oneself, self.here[other].is_operator) {
            (true, _) => Err("! That would be you."),
            (_, true) => Err("! "),
            _ => Ok(()),
        }
    }

    fn kick(&mut self, at: usize) {
        let other = self.somebody();
        let (name, room) = (self.here[other].name.clone(), self.here[at].room);
        let is_there = self.here[other].room == room;
        let there = if is_there { self.may_touch(at, other) } else { Err("! ") };
        let expected = self.charge(at).and(there);
        if self.asks(at, &format!("/kick {name} why"), expected) {
            self.put_out(other);
        }
    }

    /// Somebody was put out of the room that they are in.
    fn put_out(&mut self, other: usize) {
        let person = self.here[other].clone();
        if person.room == "lobby" {
            return self.forget(other);
        }
        self.here[other].room = "";
        self.leave_room(&person);
        self.enter(other, "lobby");
    }

    fn target_of(&self, other: usize) -> Target {
        let Person { account, address, .. } = self.here[other];
        account.map_or(Target::Address(address), Target::Account)
    }

    fn ban_from_room(&mut self, at: usize) {
        let other = self.somebody();
        let (name, room) = (self.here[other].name.clone(), self.here[at].room);
        let may = if room == "lobby" { Err("! Everybody begins") } else { Ok(()) };
        let expected = self.charge(at).and(may).and(self.may_touch(at, other));
        let sanction =
            Sanction { target: self.target_of(other), whom: name.clone(), until: self.now + 600 };
        let line = format!("/ban #{room} {name} 10m");
        let asked = self.asks_twice((at, Some(other)), &line, expected, (&sanction, Some(room)));
        if asked {
            let mut hit = self.all_hit(&sanction.target, Some(room));
            if self.here[other].room == room && !hit.contains(&self.here[other].key) {
                hit.push(self.here[other].key);
            }
            let of = self.rooms.get_mut(room).unwrap();
            if let Target::Account(account) = sanction.target {
                of.of_accounts.remove(account);
            }
            of.bans.retain(|it| it.target != sanction.target);
            of.bans.push(sanction);
            for key in hit {
                let at = self.here.iter().position(|it| it.key == key).unwrap();
                self.put_out(at);
            }
        }
    }

    /// The keys of those whom it hits.
    fn all_hit(&self, target: &Target, room: Option<&str>) -> Vec<ConnectionKey> {
        let is_hit = |it: &&Person| {
            let is_meant = match target {
                Target::Account(account) => it.account == Some(account),
                Target::Address(address) => it.address == *address,
            };
            let is_in_charge = |room: &str| self.rooms[room].ranks.get(&it.name) == Some(&2);
            is_meant
                && !it.is_operator
                && room.is_none_or(|room| it.room == room && !is_in_charge(room))
        };
        self.here.iter().filter(is_hit).map(|it| it.key).collect()
    }

    /// Asks for a ban or a mute; says yes, perhaps, if it would hit others too. Returns whether it
    /// is done.
    fn asks_twice(
        &mut self,
        (at, meant): (usize, Option<usize>),
        line: &str,
        expected: Outcome,
        (sanction, room): (&Sanction, Option<&str>),
    ) -> bool {
        let key = self.here[at].key;
        let told = self.people.asks(key, line);
        check(line, &told, expected);
        if expected.is_err() {
            return false;
        }
        let meant = meant.map(|other| self.here[other].key);
        let others = self.all_hit(&sanction.target, room).into_iter();
        let others = others.filter(|it| Some(*it) != meant && *it != key).count();
        // When an operator of the server comes again, they are none yet.
        let asker = &self.here[at];
        let hits_asker = match sanction.target {
            Target::Account(account) => asker.account == Some(account),
            Target::Address(address) => asker.address == address,
        };
        let others = others + usize::from(hits_asker && room.is_none());
        let is_asked = told.last().is_some_and(|line| line.starts_with("* Say yes to do it"));
        assert_eq!(is_asked, others > 0, "{line}: {told:?}");
        if !is_asked {
            return true;
        }
        let yes = self.rng.bool();
        // With another answer it is a line like others.
        self.people.says(key, if yes { "yes" } else { "/who" });
        yes
    }

    fn sanction(&mut self, at: usize) {
        let (other, is_ban) = (self.somebody(), self.rng.bool());
        let word = if is_ban { "ban" } else { "mute" };
        let name = self.here[other].name.clone();
        // Without a room it is of the server if an operator of that says so.
        if is_ban && !self.here[at].is_operator {
            return self.ban_from_room(at);
        }
        let expected = self.rule_over_all(at).and(self.may_touch(at, other));
        let sanction =
            Sanction { target: self.target_of(other), whom: name.clone(), until: self.now + 3600 };
        let line = format!("/{word} {name} 1h loud");
        if self.asks_twice((at, Some(other)), &line, expected, (&sanction, None)) {
            let hit = if is_ban { self.all_hit(&sanction.target, None) } else { Vec::new() };
            let all = if is_ban { &mut self.bans } else { &mut self.mutes };
            all.retain(|it| it.target != sanction.target);
            all.push(sanction);
            for key in hit {
                let at = self.here.iter().position(|it| it.key == key).unwrap();
                self.forget(at);
            }
        }
    }

    fn lift(&mut self, at: usize) {
        let (is_ban, wanted) = (self.rng.bool(), self.some(&NAMES));
        let (word, all) = match is_ban {
            true => ("unban", &self.bans),
            false => ("unmute", &self.mutes),
        };
        if is_ban && !self.here[at].is_operator {
            return; // that would be of the room
        }
        let now = self.now;
        let is_meant = |it: &Sanction| {
            now < it.until
                && (it.whom == wanted
                    || matches!(it.target, Target::Account(name) if name == wanted))
        };
        let matching: Vec<_> = all.iter().filter(|it| is_meant(it)).collect();
        let found = if matching.is_empty() { Err("! Nothing is decided") } else { Ok(()) };
        if matching.len() > 1 {
            return; // whichever is first
        }
        let expected = self.rule_over_all(at).and(found);
        if self.asks(at, &format!("/{word} {wanted}"), expected) {
            let all = if is_ban { &mut self.bans } else { &mut self.mutes };
            all.retain(|it| !is_meant(it));
        }
    }

    fn invite(&mut self, at: usize) {
        let other = self.somebody();
        let room = self.here[at].room;
        let is_there = self.here[other].room == room;
        let needs_charge = self.rooms[room].invite && !self.is_in_charge(at);
        let may = if is_there || needs_charge { Err("! ") } else { Ok(()) };
        let expected = self.silence(at).and(may);
        let line = format!("/invite {}", self.here[other].name);
        if self.asks(at, &line, expected) {
            let (key, counts) = (self.here[other].key, self.is_in_charge(at));
            // Only who is in charge lets somebody in whatever is set.
            self.rooms.get_mut(room).unwrap().invited.extend(counts.then_some(key));
        }
    }

    fn rule(&mut self, at: usize) {
        let expected = self.rule_over_all(at);
        match self.rng.u8(..6) {
            0 if self.asks(at, "/lock", expected) => {
                let present = self.here.iter().map(|it| (it.name.clone(), it.address)).collect();
                self.lock = Some((None, present));
            }
            1 if self.asks(at, "/lock 10m", expected) => self.lock = Some((Some(600), vec![])),
            2 if self.asks(at, "/lock off", expected) => self.lock = None,
            3 if self.asks(at, "/slow 30", expected) => self.slow = Some(30),
            4 if self.asks(at, "/slow off", expected) => self.slow = None,
            5 => {
                let other = self.somebody();
                let expected = expected.and(self.may_touch(at, other));
                let line = format!("/kill {}", self.here[other].name);
                if self.asks(at, &line, expected) {
                    self.forget(other);
                }
            }
            _ => {}
        }
    }
}

/// Whether somebody is hit by one of these now.
fn hit(all: &[Sanction], (account, address): (Option<&'static str>, Ipv4Addr), now: u64) -> bool {
    all.iter().filter(|it| now < it.until).any(|it| match it.target {
        Target::Account(name) => account == Some(name),
        Target::Address(of) => of == address,
    })
}

/// Whether what somebody was told is what was to be expected.
#[track_caller]
fn check(line: &str, told: &[String], expected: Outcome) {
    let refused = told.iter().find(|line| line.starts_with("! "));
    match (expected, refused) {
        (Ok(()), None) => {}
        (Err(why), Some(refused)) if refused.starts_with(why) => {}
        _ => panic!("{line}: expected {expected:?}, but told {told:#?}"),
    }
}
