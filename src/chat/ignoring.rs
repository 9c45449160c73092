//! Ignoring: who does not hear whom, in both directions.
//!
//! A member's list (`Social::ignoring`) says whom it ignores, and a [`Person`] says who ignores it.
//! So a line costs as much as there are members who do not hear this speaker, and nothing if there
//! are none.
//!
//! It is the person who is ignored, not the name, so a new name changes nothing. Once somebody has
//! left, there is only the name to know them by: whoever joins under a name by which somebody is
//! remembered is taken for them. A member who takes such a name is somebody else, and with that the
//! one who had it is forgotten. So nobody can come to ignore themselves.

use std::collections::BTreeSet;
use std::mem;
use std::sync::Arc;

use slab::Slab;

use super::directory::Directory;
use super::user::{User, UserKey, Users};
use crate::event::Refusal;
use crate::nickname::{Keys, Nickname};

/// How many people one can ignore; each costs memory.
const IGNORING_MAX: usize = 100;

/// Who ignores whom.
///
/// Invariants: a person's list has a member if and only if that member's list has the person; no
/// member is in the list of the person that it is; nobody who is here has a name by which somebody
/// is remembered.
#[derive(Debug, Default)]
pub(crate) struct Ignoring {
    /// Those who are ignored, and those who are still here and were.
    persons: Slab<Person>,
    /// By which names those of them are remembered who have left.
    remembered: BTreeSet<(Arc<str>, PersonKey)>,
}

/// Somebody who is ignored.
#[derive(Debug)]
struct Person {
    /// The present name, or the one by which somebody who has left is remembered.
    name: Nickname,
    here: bool,
    /// Who does not hear it, in ascending order.
    ignored_by: Vec<UserKey>,
}

/// By which `Ignoring` knows somebody who is ignored.
pub(crate) type PersonKey = usize;

/// Somebody who is not heard.
#[derive(Debug)]
pub(crate) struct Ignored {
    pub(crate) person: PersonKey,
    /// What they were called then.
    pub(crate) name: Nickname,
}

impl Ignoring {
    /// Those who do not hear a member, in ascending order.
    pub(crate) fn deaf_to(&self, member: &User) -> &[UserKey] {
        match &member.social {
            Some(social) => {
                social.ignored_as.map_or(&[], |person| &self.persons[person].ignored_by)
            }
            None => &[],
        }
    }

    /// Whether `key` does not hear a member.
    pub(crate) fn is_deaf_to(&self, key: UserKey, member: &User) -> bool {
        self.deaf_to(member).binary_search(&key).is_ok()
    }

    /// Whether `key` ignores somebody who is called `name`, or who was when they left.
    pub(crate) fn is_deaf_to_name(
        &self,
        users: &Users,
        directory: &Directory,
        key: UserKey,
        name: &str,
    ) -> bool {
        let ignores = |person: &PersonKey| self.persons[*person].is_ignored_by(key);
        self.called(users, directory, name).iter().any(ignores)
    }

    /// The names of those whom a member ignores.
    pub(crate) fn ignored_names(&self, member: &User) -> Vec<Nickname> {
        let names = member.ignoring().iter().map(|ignored| &self.persons[ignored.person].name);
        names.cloned().collect()
    }

    /// `key` hears `target` no more.
    ///
    /// # Errors
    /// It is `key` itself, or one too many.
    pub(crate) fn ignore(
        &mut self,
        users: &mut Users,
        key: UserKey,
        target: UserKey,
    ) -> Result<(), Refusal<'static>> {
        if target == key {
            return Err(Refusal::IgnoreSelf);
        }
        let (Some(member), Some(other)) = (users.get(key), users.get(target)) else {
            return Ok(());
        };
        if self.is_deaf_to(key, other) {
            return Ok(());
        }
        if member.ignoring().len() == IGNORING_MAX {
            return Err(Refusal::IgnoreTooMany(IGNORING_MAX));
        }
        let Some(other) = users.get_mut(target) else { return Ok(()) };
        let name = other.name.clone();
        let person = *other.social_mut().ignored_as.get_or_insert_with(|| {
            self.persons.insert(Person { name: name.clone(), here: true, ignored_by: Vec::new() })
        });
        self.persons[person].add(key);
        if let Some(member) = users.get_mut(key) {
            let ignoring = &mut member.social_mut().ignoring;
            ignoring.reserve_exact(1); // there are many such lists, and they seldom grow
            ignoring.push(Ignored { person, name });
        }
        Ok(())
    }

    /// `key` hears those again whom `name` may mean. Returns whether there is anybody.
    pub(crate) fn unignore(
        &mut self,
        users: &mut Users,
        directory: &Directory,
        key: UserKey,
        name: &str,
    ) -> bool {
        let mut any = false;
        for person in self.called(users, directory, name) {
            if self.persons[person].is_ignored_by(key) {
                strike(users, key, person);
                self.hear_again(person, key);
                any = true;
            }
        }
        any
    }

    /// Somebody has joined. Whoever left under that name, or one like it, is back.
    pub(crate) fn join(&mut self, users: &mut Users, key: UserKey) {
        if self.remembered.is_empty() {
            return;
        }
        let Some(name) = users.get(key).map(|user| user.name.clone()) else { return };
        let mut known = self.remembered_as(&name.keys()).into_iter();
        let Some(person) = known.next() else { return };
        for other in known {
            self.merge(users, other, person);
        }
        let back = Person { name, here: true, ignored_by: Vec::new() };
        let was = mem::replace(&mut self.persons[person], back);
        self.unlist(&was.name, person);
        self.persons[person].ignored_by = was.ignored_by;
        if let Some(member) = users.get_mut(key) {
            member.social_mut().ignored_as = Some(person);
        }
    }

    /// `key` is called `name` from now on. Whoever was remembered by it is not any more.
    pub(crate) fn rename(&mut self, users: &mut Users, key: UserKey, name: &Nickname) {
        for person in self.remembered_as(&name.keys()) {
            for ignorer in mem::take(&mut self.persons[person].ignored_by) {
                strike(users, ignorer, person);
            }
            self.forget(person);
        }
        let social = users.get(key).and_then(|member| member.social.as_ref());
        if let Some(person) = social.and_then(|social| social.ignored_as) {
            self.persons[person].name = name.clone();
        }
    }

    /// Somebody has left, whose name is free now. They are remembered by the name under which they
    /// were ignored; by the last one, if that is the same.
    pub(crate) fn leave(
        &mut self,
        users: &mut Users,
        directory: &Directory,
        key: UserKey,
        member: &mut User,
    ) {
        // Their rooms stay with them until they are gone from those.
        let Some(social) = &mut member.social else { return };
        for ignored in mem::take(&mut social.ignoring) {
            self.hear_again(ignored.person, key);
        }
        let Some(person) = social.ignored_as.take() else { return };
        let keys = member.name.keys();
        let mut names: Vec<(Nickname, Vec<UserKey>)> = Vec::new();
        for ignorer in self.persons.remove(person).ignored_by {
            let ignoring = users.get(ignorer).map_or(&[][..], User::ignoring);
            let Some(ignored) = ignoring.iter().find(|i| i.person == person) else { continue };
            let same = ignored.name == member.name || ignored.name.keys().meet(&keys);
            let name = if same { &member.name } else { &ignored.name };
            match names.iter_mut().find(|(other, _)| other == name) {
                Some((_, ignored_by)) => ignored_by.push(ignorer),
                None => names.push((name.clone(), vec![ignorer])),
            }
        }
        for (name, ignored_by) in names {
            self.remember(users, directory, person, name, ignored_by);
        }
    }

    /// Whether nobody is ignored.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.persons.is_empty() && self.remembered.is_empty()
    }

    // ── those who have left ──────────────────────────────────────────────────────────────────────

    /// The person that was `was` has left, and is remembered by `name`, unless somebody has taken
    /// that; by those who do not remember another by it.
    fn remember(
        &mut self,
        users: &mut Users,
        directory: &Directory,
        was: PersonKey,
        name: Nickname,
        mut ignored_by: Vec<UserKey>,
    ) {
        let keys = name.keys();
        let others = self.remembered_as(&keys);
        let is_free = directory.find(name.as_str()).is_none();
        let person = self.persons.vacant_key();
        ignored_by.retain(|ignorer| {
            let known = others.iter().any(|other| self.persons[*other].is_ignored_by(*ignorer));
            if known || !is_free {
                strike(users, *ignorer, was);
                return false;
            }
            let ignored = ignoring_mut(users, *ignorer)
                .and_then(|ignoring| ignoring.iter_mut().find(|ignored| ignored.person == was));
            if let Some(ignored) = ignored {
                *ignored = Ignored { person, name: name.clone() };
            }
            true
        });
        if !ignored_by.is_empty() {
            ignored_by.shrink_to_fit();
            self.remembered.extend(keys.iter().map(|key| (Arc::clone(key), person)));
            self.persons.insert(Person { name, here: false, ignored_by });
        }
    }

    /// Those whom `name` may mean: who is here, and who has left.
    fn called(&self, users: &Users, directory: &Directory, name: &str) -> Vec<PersonKey> {
        let here = directory.find(name).and_then(|key| users.get(key));
        let here = here.and_then(|member| member.social.as_ref()?.ignored_as);
        let left = Keys::sought(name).map(|keys| self.remembered_as(&keys));
        here.into_iter().chain(left.unwrap_or_default()).collect()
    }

    /// Those who have left under a name with one of these keys.
    fn remembered_as(&self, keys: &Keys) -> Vec<PersonKey> {
        let of = |key| {
            let from = self.remembered.range((Arc::clone(key), 0)..);
            from.take_while(move |(other, _)| other == key).map(|(_, person)| *person)
        };
        let mut persons: Vec<_> = keys.iter().flat_map(of).collect();
        persons.sort_unstable();
        persons.dedup();
        persons
    }

    /// Two who have left are one. Who ignores both ignores one, in the place of the first.
    fn merge(&mut self, users: &mut Users, other: PersonKey, person: PersonKey) {
        for ignorer in mem::take(&mut self.persons[other].ignored_by) {
            let Some(ignoring) = ignoring_mut(users, ignorer) else { continue };
            for ignored in ignoring.iter_mut().filter(|ignored| ignored.person == other) {
                ignored.person = person;
            }
            let mut first = true;
            ignoring.retain(|ignored| ignored.person != person || mem::take(&mut first));
            self.persons[person].add(ignorer);
        }
        self.forget(other);
    }

    /// `key` hears a person again, or has left itself.
    fn hear_again(&mut self, person: PersonKey, key: UserKey) {
        let Person { here, ignored_by, .. } = &mut self.persons[person];
        if let Ok(at) = ignored_by.binary_search(&key) {
            ignored_by.remove(at);
        }
        if ignored_by.is_empty() && !*here {
            self.forget(person);
        }
    }

    /// Somebody who has left is not ignored any more.
    fn forget(&mut self, person: PersonKey) {
        let Person { name, .. } = self.persons.remove(person);
        self.unlist(&name, person);
    }

    fn unlist(&mut self, name: &Nickname, person: PersonKey) {
        for key in name.keys().iter() {
            self.remembered.remove(&(Arc::clone(key), person));
        }
    }
}

impl Person {
    fn is_ignored_by(&self, key: UserKey) -> bool {
        self.ignored_by.binary_search(&key).is_ok()
    }

    fn add(&mut self, key: UserKey) {
        if let Err(at) = self.ignored_by.binary_search(&key) {
            self.ignored_by.reserve_exact(1);
            self.ignored_by.insert(at, key);
        }
    }
}

fn ignoring_mut(users: &mut Users, key: UserKey) -> Option<&mut Vec<Ignored>> {
    users.get_mut(key).map(|member| &mut member.social_mut().ignoring)
}

/// Takes a person off the list of `key`.
fn strike(users: &mut Users, key: UserKey, person: PersonKey) {
    if let Some(ignoring) = ignoring_mut(users, key) {
        ignoring.retain(|ignored| ignored.person != person);
    }
}

#[cfg(test)]
mod tests {
    use super::super::user::Social;
    use super::*;
    use crate::key::ConnectionKey;

    fn nth(n: usize) -> UserKey {
        UserKey::nth(n)
    }

    /// People of these names, in this order.
    fn room<'a>(names: impl IntoIterator<Item = &'a str>) -> (Users, Directory) {
        let (mut users, mut directory) = (Users::default(), Directory::default());
        for name in names {
            let name = Nickname::parse(name).unwrap();
            let key = users.insert(
                (0, 0),
                name.clone(),
                (Some(ConnectionKey::nth(0)), std::net::Ipv4Addr::LOCALHOST.into()),
            );
            assert!(directory.claim(key, &name, None));
        }
        (users, directory)
    }

    fn leave(ignoring: &mut Ignoring, users: &mut Users, directory: &mut Directory, key: UserKey) {
        let Some(mut member) = users.remove(key) else { panic!("{key:?} is not here") };
        directory.release(&member.name);
        ignoring.leave(users, directory, key, &mut member);
    }

    #[test]
    fn a_line_costs_as_much_as_there_are_who_ignore_its_speaker() {
        let names: Vec<_> = (0..200).map(|i| format!("member{i}")).collect();
        let (mut users, _) = room(names.iter().map(String::as_str));
        let mut ignoring = Ignoring::default();
        for key in 0..200 {
            for next in 1..=100 {
                ignoring.ignore(&mut users, nth(key), nth((key + next) % 200)).unwrap();
                // Only the first of them are ignored by others as well.
                if key >= 3 {
                    break;
                }
            }
        }
        let visited = |n| ignoring.deaf_to(users.get(nth(n)).unwrap());
        assert_eq!(visited(3), [nth(0), nth(1), nth(2)]);
        assert_eq!(visited(150), [nth(149)]);
        let all: usize = (0..200).map(|key| visited(key).len()).sum();
        assert_eq!(all, 3 * 100 + 197);
    }

    #[test]
    fn a_full_list_costs_less_than_4_kib() {
        let names: Vec<_> = (0..=IGNORING_MAX + 1).map(|i| format!("member{i}")).collect();
        let (mut users, _) = room(names.iter().map(String::as_str));
        let mut ignoring = Ignoring::default();
        for target in 1..=IGNORING_MAX {
            ignoring.ignore(&mut users, nth(0), nth(target)).unwrap();
        }
        let one_more = ignoring.ignore(&mut users, nth(0), nth(IGNORING_MAX + 1));
        assert_eq!(one_more, Err(Refusal::IgnoreTooMany(IGNORING_MAX)));
        let list = &users.get(nth(0)).unwrap().social.as_ref().unwrap().ignoring;
        let entries = list.capacity() * size_of::<Ignored>();
        let ignored_by = ignoring.persons.iter().map(|(_, person)| person.ignored_by.capacity());
        let shares = ignored_by.sum::<usize>() * size_of::<UserKey>();
        let all = size_of::<Social>() + entries + shares;
        assert!(all < 4096, "{all} bytes");
    }

    #[test]
    fn nothing_is_left_of_who_has_left() {
        let (mut users, mut directory) = room(["alice", "bob", "carol"]);
        let mut ignoring = Ignoring::default();
        ignoring.ignore(&mut users, nth(0), nth(1)).unwrap();
        ignoring.ignore(&mut users, nth(1), nth(2)).unwrap();
        ignoring.ignore(&mut users, nth(2), nth(1)).unwrap();
        leave(&mut ignoring, &mut users, &mut directory, nth(1));
        let remembered: Vec<_> = ignoring.remembered.iter().map(|(key, _)| &**key).collect();
        assert_eq!(remembered, ["bob"]);
        assert!(ignoring.is_deaf_to_name(&users, &directory, nth(0), "Bob"));
        assert!(ignoring.unignore(&mut users, &directory, nth(2), "BOB"));
        leave(&mut ignoring, &mut users, &mut directory, nth(0));
        assert!(ignoring.persons.len() == 1, "carol, who is here, was ignored");
        leave(&mut ignoring, &mut users, &mut directory, nth(2));
        assert!(ignoring.is_at_rest());
    }

    #[test]
    fn nobody_ignores_themselves() {
        let (mut users, mut directory) = room(["alice", "bob"]);
        let mut ignoring = Ignoring::default();
        assert_eq!(ignoring.ignore(&mut users, nth(0), nth(0)), Err(Refusal::IgnoreSelf));
        ignoring.ignore(&mut users, nth(0), nth(1)).unwrap();
        leave(&mut ignoring, &mut users, &mut directory, nth(1));
        ignoring.rename(&mut users, nth(0), &Nickname::parse("bob").unwrap());
        let alice = users.get(nth(0)).unwrap();
        assert!(ignoring.deaf_to(alice).is_empty());
        assert!(alice.ignoring().is_empty(), "bob has lost his name to somebody else");
        assert!(ignoring.is_at_rest());
    }
}
