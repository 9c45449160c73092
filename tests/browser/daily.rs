//! What makes the page one to stay in all day: nothing is lost, names complete, code is code, one
//! finds one's place again, and everybody can use it.

use serde_json::{Value, json};

use crate::chromium::{Chromium, Tab};
use crate::common::{Person, Server};
use crate::{
    OPEN, alice_with_a_server_of_paper, is_cut_off, is_told, line, page, person_in, resumed,
    sent_by, tab_in_lobby, tab_in_ops, texts,
};

fn written(tab: &Tab) -> Value {
    tab.finds("document.querySelector('#line').value")
}

/// Puts this in place of what is written.
fn writes(tab: &Tab, text: &str) {
    tab.finds("{ const line = document.querySelector('#line'); line.focus(); line.select(); } 0");
    tab.types(text);
}

fn offers(tab: &Tab) -> Vec<String> {
    texts(tab, "#offers:not([hidden]) li")
}

// ---- Nothing vanishes -----------------------------------------------------------------------

#[test]
fn a_line_without_an_answer_is_noticed_within_ten_seconds() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = alice_with_a_server_of_paper(&chromium, &server);
    alice.finds(
        "{ const [now, began] = [Date.now, Date.now()]; window.late = 0;
        Date.now = () => began + window.late; } 0",
    );
    alice.says("is anybody there?");
    alice.waits_for("document.querySelector('#log .pending')");
    let is = |text: &str| format!("document.querySelector('#status').textContent == {text:?}");
    assert_eq!(alice.finds(&is("You are alice")), true);
    sent_by(&alice);
    // Each second it is looked after; that one is late for what came just after the last.
    alice.finds("window.late = 3500");
    alice.waits_for(&is("Waiting for the server…"));
    assert_eq!(alice.finds("document.querySelector('#status').className"), "");
    assert_eq!(sent_by(&alice), json!([{ "type": "topic", "room": "#lobby" }]));
    alice.finds("window.late = 9000");
    alice.waits_for("window.connections == 2");
    alice.waits_for("document.querySelector('#log .pending').innerText.includes('anybody')");
}

#[test]
fn what_is_written_survives_a_reload_and_each_tab_keeps_its_name() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = tab_in_ops(&chromium, &server, "alice");
    alice.types("half a thought\nand more");
    alice.presses("Alt+ArrowUp");
    alice.waits_for("document.title == '#lobby · chinwag'");
    alice.types("another");
    // What another tab of this browser would do.
    alice.finds("localStorage.name = 'eve'");
    alice.call("Page.reload", json!({}));
    alice.waits_for("document.querySelector('#status').textContent == 'You are alice'");
    alice.waits_for("document.title == '#lobby · chinwag'");
    assert_eq!(written(&alice), "another");
    alice.presses("Alt+ArrowDown");
    alice.waits_for("document.title == '#ops · chinwag'");
    assert_eq!(written(&alice), "half a thought\nand more");
}

#[test]
fn a_private_line_to_somebody_who_has_left_comes_back_into_the_box() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = tab_in_lobby(&chromium, &server, "alice");
    let mut bob = Person::join(&server, "bob");
    alice.waits_for("document.querySelector('.deeds[value=bob]')");
    let comes_back = |typed: &str| {
        writes(&alice, typed);
        alice.presses("Enter");
        // It is taken away, and comes back with why.
        alice.sees("Nobody here is called bob.");
        alice.waits_for(&format!("document.querySelector('#line').value == {typed:?}"));
        assert_eq!(texts(&alice, "#log .pending, #log .resend"), [""; 0], "{typed}");
        alice.finds("document.querySelectorAll('#log .wrong').forEach((e) => e.remove()); 0");
    };
    alice.finds("document.querySelector('.deeds[value=bob]').parentElement.firstChild.click()");
    alice.waits_for("document.querySelector('#target').innerText.includes('Only bob')");
    bob.says("/quit");
    alice.sees("bob left");
    for typed in ["one", "/etc/x", "///x", "/me waves", "//nick eve"] {
        comes_back(typed);
    }
    alice.presses("Escape");
    for typed in ["/msg bob one", "/msg bob /etc/x", "/msg bob //etc", "/msg bob /me waves"] {
        comes_back(typed);
    }
}

#[test]
fn what_is_written_after_join_is_for_that_room() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = alice_with_a_server_of_paper(&chromium, &server);
    let pending = || texts(&alice, "#log .pending .text");
    alice.says("/join ops\nhello");
    let join = sent_by(&alice);
    let key = join[0]["key"].clone();
    assert_eq!(join, json!([{ "type": "join", "room": "#ops", "key": key }]));
    alice.says("/topic tea");
    alice.types("half");
    alice.waits_for("document.querySelectorAll('#log .pending').length == 2");
    assert_eq!(pending(), ["hello", "/topic tea"]);
    assert_eq!(sent_by(&alice), json!([]));
    is_told(&alice, &welcome_to_ops());
    alice.waits_for("document.title == '#ops · chinwag'");
    let sent = sent_by(&alice);
    let room = "#ops";
    let said = |at: usize, text: &str| {
        let key = &sent[at]["key"];
        json!({ "type": "say", "text": text, "room": room, "key": key })
    };
    assert_eq!(sent, json!([said(0, "hello"), said(1, "/topic tea")]));
    assert_eq!(written(&alice), "half");
    alice.waits_for("document.querySelectorAll('#log .pending').length == 1");
    assert_eq!(pending(), ["hello"]);
    alice.presses("Alt+ArrowUp");
    alice.waits_for("document.title == '#lobby · chinwag'");
    assert_eq!((written(&alice), pending()), (json!(""), Vec::new()));
}

#[test]
fn what_waits_for_a_room_comes_back_if_one_may_not_come_in() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = alice_with_a_server_of_paper(&chromium, &server);
    let text = json!({ "en": "Not you.", "zh": "不" });
    let comes_back = |ends: &dyn Fn(&Value)| {
        alice.says("/join ops");
        let key = sent_by(&alice)[0]["key"].clone();
        alice.says("hello");
        alice.says("again");
        assert_eq!(written(&alice), "");
        ends(&key);
        alice.waits_for("document.querySelector('#line').value == 'hello'");
        alice.waits_for("document.querySelector('#log .resend')?.value == 'again'");
        alice.waits_for(
            "![...document.querySelectorAll('#log .pending .text')]
                .some((text) => /hello|again/.test(text.innerText))",
        );
        alice.finds("document.querySelector('#log .unsure').remove()");
        writes(&alice, "here");
        alice.presses("Enter");
    };
    comes_back(&|key| {
        let why = "invite_only";
        is_told(&alice, &json!({ "type": "refused", "why": why, "text": text, "key": key }));
        alice.sees("Not you.");
    });
    assert_eq!(sent_by(&alice)[0]["room"], "#lobby");
    comes_back(&|_| {
        is_cut_off(&alice);
        is_told(&alice, &resumed("second", false, &[], 12));
    });
}

#[test]
fn what_was_written_without_a_connection_is_said_also_after_a_restart() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = alice_with_a_server_of_paper(&chromium, &server);
    alice.says("did you hear that?");
    is_cut_off(&alice);
    alice.says("later");
    alice.waits_for("document.querySelectorAll('#log .pending').length == 2");
    sent_by(&alice);
    let text = json!({ "en": "", "zh": "" });
    is_told(&alice, &json!({ "type": "refused", "why": "token", "text": text }));
    assert_eq!(sent_by(&alice), json!([{ "type": "nick", "name": "alice" }]));
    is_told(
        &alice,
        &json!({
            "type": "welcome", "name": "alice", "token": "second", "room": "#lobby",
            "members": ["alice"], "count": 1, "history": [], "id": 900,
        }),
    );
    let sent = sent_by(&alice);
    let key = &sent[0]["key"];
    let said = json!([{ "type": "say", "text": "later", "room": "#lobby", "key": key }]);
    assert_eq!(sent, said);
    alice.waits_for("document.querySelector('#log .resend')?.value == 'did you hear that?'");
    assert_eq!(texts(&alice, "#log .pending .text"), ["later"]);
}

#[test]
fn what_has_no_place_stays_in_the_box_and_where_nothing_is_that_is_told() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = alice_with_a_server_of_paper(&chromium, &server);
    is_told(&alice, &json!({ "type": "history", "room": "#lobby", "lines": [], "more": false }));
    alice.sees("Nothing was found.");
    is_told(&alice, &json!({ "type": "part", "room": "#lobby" }));
    alice.waits_for("document.title == 'chinwag'");
    sent_by(&alice);
    alice.says("is anybody there?");
    alice.sees("You are in no room.");
    assert_eq!((written(&alice), sent_by(&alice)), (json!("is anybody there?"), json!([])));
}

fn welcome_to_ops() -> Value {
    json!({
        "type": "welcome", "name": "alice", "room": "#ops", "members": ["alice"], "count": 1,
        "history": [], "id": 12,
    })
}

#[test]
fn a_reply_that_was_cut_off_is_left_to_be_sent_again() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = alice_with_a_server_of_paper(&chromium, &server);
    alice.says("/r heard");
    alice.says("/r not heard");
    alice.waits_for("window.sent.length == 2");
    is_told(&alice, &json!({ "type": "sent", "to": "bob", "text": "heard", "at": 1_700_000_000 }));
    alice.sees("only for bob");
    is_cut_off(&alice);
    alice.sees("perhaps not sent");
    let resends = "[...document.querySelectorAll('#log .resend')].map((e) => e.value)";
    assert_eq!(alice.finds(resends), json!(["/r not heard"]));
    is_told(&alice, &resumed("second", false, &[], 11));
    sent_by(&alice);
    alice.finds("document.querySelector('#log .resend').click()");
    assert_eq!(sent_by(&alice)[0]["text"], "/r not heard");
    assert_eq!(alice.finds(resends), json!([]));
}

// ---- Names and commands ---------------------------------------------------------------------

#[test]
fn names_and_commands_complete_by_tab_and_at() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = tab_in_lobby(&chromium, &server, "alice");
    let [mut bob, _bobby, _carol] =
        ["bob", "Bobby", "carol"].map(|name| Person::join(&server, name));
    alice.waits_for("document.querySelectorAll('#members li').length == 4");
    for (typed, keys, expected) in [
        ("ca", &["Tab"][..], "carol: "),
        ("is ca", &["Tab"], "is carol "),
        ("bo", &["Tab", "ArrowDown", "Tab"], "Bobby: "),
        ("ask (@ca", &["Enter"], "ask (@carol "),
        ("@bo", &["ArrowDown", "Enter"], "@Bobby "),
        ("/un", &["Tab"], "/unignore "),
    ] {
        writes(&alice, typed);
        keys.iter().for_each(|key| alice.presses(key));
        assert_eq!(written(&alice), expected, "{typed}");
    }
    assert_eq!(offers(&alice), [""; 0]);
    writes(&alice, "hi @bo");
    assert_eq!(offers(&alice), ["bob", "Bobby"]);
    let active = "document.querySelector('#line').getAttribute('aria-activedescendant')";
    assert_eq!(alice.finds(active), "offer-0");
    alice.presses("Escape");
    assert_eq!(offers(&alice), [""; 0]);
    // What fits nothing leaves Tab what it is.
    writes(&alice, "zz");
    alice.presses("Tab");
    alice.waits_for("document.activeElement.id != 'line'");
    // A name that stands there whole is meant as it is.
    writes(&alice, "@bob");
    alice.presses("Enter");
    bob.sees_until("alice: @bob");
    alice.waits_for("document.querySelector('#log .from[value=alice]')");
}

#[test]
fn help_is_of_the_page_and_all_it_lists_is_offered() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = tab_in_ops(&chromium, &server, "alice");
    alice.says("/help");
    alice.sees("Shift+Enter");
    let help = texts(&alice, "#log dl").concat();
    for only_in_terminals in ["&", "and #", "and exit"] {
        assert!(!help.contains(only_in_terminals), "{only_in_terminals}: {help}");
    }
    let terms = texts(&alice, "#log dt");
    let commands = terms.iter().filter_map(|term| term.split(' ').next());
    let commands: Vec<_> = commands.filter(|word| word.starts_with('/')).collect();
    assert!(commands.len() > 15, "{commands:?}");
    for command in commands {
        writes(&alice, command);
        assert!(offers(&alice).iter().any(|offer| offer == command), "{command}");
    }
}

#[test]
fn what_is_listed_can_be_read_however_long_its_names_are() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = tab_in_ops(&chromium, &server, "alice");
    alice.looks_like(960, 620, false);
    alice.says("/help");
    alice.sees("Shift+Enter");
    let narrowest = "Math.min(...[...document.querySelectorAll('#log dd')]
        .map((e) => e.getBoundingClientRect().width))";
    let width = alice.finds(narrowest).as_f64().unwrap();
    assert!(width > 200.0, "{width} pixels for what a command does");
}

#[test]
fn a_name_in_the_log_leads_to_what_can_be_done() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = tab_in_ops(&chromium, &server, "alice");
    let mut bob = person_in(&server, "bob", "#ops");
    bob.says("hello");
    alice.sees("hello");
    alice.finds("document.querySelector('#log .from[value=bob]').click()");
    alice.waits_for("document.activeElement.role == 'menuitem'");
    let deeds = texts(&alice, "#menu button");
    assert!(deeds.contains(&"Let in again".to_owned()), "{deeds:?}");
    alice.finds(
        "[...document.querySelectorAll('#menu button')]
        .find((e) => e.textContent == 'Mention').click()",
    );
    assert_eq!(written(&alice), "@bob ");
}

// ---- Code -----------------------------------------------------------------------------------

#[test]
fn several_lines_are_one_message_and_code_is_shown_as_it_is() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = tab_in_lobby(&chromium, &server, "alice");
    let mut bob = Person::join(&server, "bob");
    let carol = tab_in_lobby(&chromium, &server, "carol");
    alice.sees("carol joined");
    bob.sees_until("* carol joined (3 here)");
    alice.types("look, `x` is not it:\n```rust\n\tif x {\n\n\t\ty(\"`\");\n\t}");
    alice.presses("Shift+Enter");
    alice.types("```\n\tindented <b>\n/me ends");
    alice.presses("Enter");
    for text in [
        "look, `x` is not it:",
        "```rust",
        "\tif x {",
        "",
        "\t\ty(\"`\");",
        "\t}",
        "```",
        "\tindented <b>",
        "/me ends",
    ] {
        bob.sees(&format!("alice: {text}"));
    }
    bob.sees_nothing_more();
    for tab in [&alice, &carol] {
        tab.sees("/me ends");
        tab.waits_for("document.querySelectorAll('#log .pending').length == 0");
        assert_eq!(texts(tab, "#log pre code"), ["\tif x {\n\n\t\ty(\"`\");\n\t}\n"]);
        assert_eq!(texts(tab, "#log .text > code"), ["x", "\tindented <b>"]);
        assert_eq!(texts(tab, "#log .text").len(), 4);
        let fixed = "getComputedStyle(document.querySelector('#log pre code'))";
        assert_eq!(tab.finds(&format!("{fixed}.fontFamily.includes('monospace')")), true);
        assert_eq!(tab.finds(&format!("{fixed}.tabSize")), "4");
    }
    assert_eq!(written(&alice), "");
    // What is too much is not sent, and stays.
    writes(&alice, &"x\n".repeat(51));
    alice.presses("Enter");
    alice.sees("at most 50 lines");
    assert_eq!(written(&alice).as_str().unwrap().len(), 102);
}

#[test]
fn several_lines_behind_a_private_command_are_all_private() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = tab_in_lobby(&chromium, &server, "alice");
    let [mut bob, mut carol] = ["bob", "carol"].map(|name| Person::join(&server, name));
    bob.sees("* carol joined (3 here)");
    // The server takes away what is before a reply.
    for (command, two) in [("/msg bob", "\ttwo"), ("/r", "two")] {
        writes(&alice, &format!("{command} one\n\n\ttwo\n/join ops"));
        alice.presses("Enter");
        for text in ["one", two, "/join ops"] {
            bob.sees(&format!("[alice -> you] {text}"));
        }
        bob.says("/msg alice yes");
        bob.sees("[you -> alice] yes");
        alice.sees("yes");
    }
    carol.sees_nothing_more();
}

#[test]
fn nobody_else_goes_on_with_somebodys_code() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = alice_with_a_server_of_paper(&chromium, &server);
    for (id, from, text) in [
        (12, "bob", "```"),
        (13, "eve", "not bob's"),
        (14, "bob", "```"),
        (15, "bob", "bob's"),
        (17, "bob", "after something else"),
    ] {
        is_told(&alice, &line(id, from, text));
    }
    alice.sees("after something else");
    assert_eq!(texts(&alice, "#log pre"), ["bob's\n"]);
    assert_eq!(texts(&alice, "#log .from")[1..], ["bob", "eve", "bob", "bob"]);
}

// ---- Finding one's place --------------------------------------------------------------------

#[test]
fn what_is_new_begins_at_a_rule_and_there_is_a_way_to_it() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &["--flood=0"]);
    let alice = tab_in_ops(&chromium, &server, "alice");
    let mut bob = Person::join(&server, "bob");
    bob.says("read");
    alice.presses("Alt+ArrowUp");
    alice.sees("read");
    alice.presses("Alt+ArrowDown");
    (0..100).for_each(|number| bob.says(&format!("new {number}")));
    alice.waits_for("document.title.startsWith('(100)')");
    alice.presses("Alt+ArrowUp");
    alice.waits_for("!document.querySelector('#up').hidden");
    let next = "document.querySelector('#log .unread').nextSibling.querySelector('.text')";
    assert_eq!(alice.finds(&format!("{next}.textContent")), "new 0");
    alice.finds("document.querySelector('#up').click()");
    alice.waits_for("document.querySelector('#up').hidden");
    let top = "document.querySelector('#log .unread').getBoundingClientRect().top >=
        document.querySelector('#log').getBoundingClientRect().top - 1";
    assert_eq!(alice.finds(top), true);
    assert_eq!(alice.finds("document.querySelectorAll('#log .unread').length"), 1);
}

#[test]
fn coming_and_going_is_folded_and_old_lines_look_old() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = tab_in_lobby(&chromium, &server, "alice");
    let mut bob = Person::join(&server, "bob");
    let mut carol = Person::join(&server, "carol");
    bob.sees("* carol joined (3 here)");
    carol.says("/quit lunch");
    alice.sees("bob joined · carol left: lunch (2 here)");
    assert_eq!(texts(&alice, "#log .notice").len(), 1);
    bob.says("https://example.org/a_(b) and (https://example.org/c)");
    alice.waits_for("document.querySelectorAll('#log a').length == 2");
    assert_eq!(texts(&alice, "#log a"), ["https://example.org/a_(b)", "https://example.org/c"]);
    assert_eq!(alice.finds("document.querySelector('#log .text').dir"), "auto");
    alice.says("/history");
    alice.waits_for("document.querySelectorAll('#log .old').length == 1");
    let now = "document.querySelector('#log .old time').textContent ==
        new Intl.DateTimeFormat(navigator.languages, { dateStyle: 'short', timeStyle: 'short' })
            .format(new Date(document.querySelector('#log .old time').dateTime))";
    assert_eq!(alice.finds(now), true);
}

#[test]
fn alerts_need_no_https_and_sound_is_off_at_first() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = tab_in_lobby(&chromium, &server, "alice");
    let mut bob = Person::join(&server, "bob");
    alice.finds(
        "window.tones = 0;
        AudioContext.prototype.createOscillator = () => { window.tones += 1; throw 0; }; 0",
    );
    alice.finds("document.hasFocus = () => false");
    let icon = "document.querySelector('link[rel=icon]').href";
    let plain = alice.finds(icon);
    bob.says("alice?");
    alice.waits_for("document.title.startsWith('(1)')");
    assert_ne!(alice.finds(icon), plain);
    assert_eq!(alice.finds("window.tones"), 0);
    alice.finds("try { document.querySelector('#sound').click() } catch {}");
    assert_eq!(alice.finds("document.querySelector('#sound').ariaPressed"), "true");
    alice.finds("window.tones = 0");
    bob.says("alice!");
    alice.waits_for("window.tones == 1");
    bob.says("nothing");
    alice.sees("nothing");
    assert_eq!(alice.finds("window.tones"), 1);
    alice.finds("window.dispatchEvent(new Event('focus'))");
    alice.waits_for(&format!("{icon} == {plain}"));
}

#[test]
fn it_can_be_installed_and_says_when_it_is_offline() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let mut server = Server::start_with_listeners(&OPEN, &[]);
    let alice = chromium.open(&page(&server));
    let manifest = alice.call("Page.getAppManifest", json!({}));
    assert_eq!(manifest["errors"], json!([]), "{manifest}");
    assert!(manifest["data"].as_str().unwrap().contains("\"standalone\""), "{manifest}");
    let icons = "fetch('/manifest.webmanifest').then((it) => it.json()).then(({ icons }) =>
        Promise.all(icons.map(({ src, type }) => fetch(src).then((it) =>
            it.ok && it.headers.get('Content-Type') == type))))";
    assert_eq!(alice.finds(icons), json!([true, true, true]));
    alice.finds("navigator.serviceWorker.ready.then(() => 0)");
    alice.call("Page.reload", json!({}));
    alice.waits_for("navigator.serviceWorker.controller && document.readyState == 'complete'");
    server.kill();
    alice.call("Page.reload", json!({}));
    alice.waits_for("document.body.innerText.includes('The server cannot be reached')");
}

// ---- For everybody --------------------------------------------------------------------------

#[test]
fn a_tap_beside_it_closes_people() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = chromium.open(&page(&server));
    alice.looks_like(390, 720, false);
    alice.joins_as("alice");
    let is_shown = "document.querySelector('#people').offsetParent != null";
    alice.finds("document.querySelector('#toggle').click()");
    assert_eq!(alice.finds(is_shown), true);
    for kind in ["mousePressed", "mouseReleased"] {
        let tap = json!({ "type": kind, "x": 30, "y": 300, "button": "left", "clickCount": 1 });
        alice.call("Input.dispatchMouseEvent", tap);
    }
    alice.waits_for(&format!("!({is_shown})"));
}

#[test]
fn the_focus_stays_when_people_come_and_go() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = tab_in_lobby(&chromium, &server, "alice");
    let [mut bob, _carol] = ["bob", "carol"].map(|name| Person::join(&server, name));
    alice.waits_for("document.querySelector('.deeds[value=carol]')");
    alice.finds("document.querySelector('.deeds[value=bob]').focus()");
    let _dave = Person::join(&server, "dave");
    alice.sees("dave");
    alice.waits_for("document.activeElement.value == 'bob'");
    bob.says("/quit");
    alice.sees("bob left");
    alice.waits_for("document.activeElement.value == 'carol'");
}
