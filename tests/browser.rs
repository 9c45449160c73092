//! The page in a real browser: people at browsers and at a terminal in one room. Where there is no
//! Chromium these tests say so and pass, but not in CI. With `CHINWAG_SCREENSHOTS=FOLDER` the
//! pictures in `docs/` are taken anew.

#![cfg(feature = "web")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod common;

#[path = "browser/audit.rs"]
mod audit;
#[path = "browser/chromium.rs"]
mod chromium;
#[path = "browser/daily.rs"]
mod daily;
#[path = "browser/proxy.rs"]
mod proxy;

use std::env;
use std::fs;
use std::path::Path;

use chromium::{Chromium, Tab};
use common::{Person, Server, room};
use proxy::Proxy;
use serde_json::{Value, json};

const OPEN: [&str; 2] = ["lines", "web"];

fn page(server: &Server) -> String {
    format!("http://{}/", server.address("web"))
}

/// The texts of elements.
fn texts(tab: &Tab, selector: &str) -> Vec<String> {
    let all = format!("[...document.querySelectorAll({selector:?})].map((e) => e.textContent)");
    serde_json::from_value(tab.finds(&all)).unwrap()
}

#[test]
fn two_browsers_and_a_terminal_talk_in_one_room() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = tab_in_lobby(&chromium, &server, "alice");
    let mut bob = Person::join(&server, "bob");
    alice.sees("bob joined (2 here)");
    let carol = tab_in_lobby(&chromium, &server, "carol");
    bob.sees("* carol joined (3 here)");
    alice.sees("carol joined (3 here)");
    assert_eq!(texts(&carol, "#members .name"), ["alice", "bob", "carol"]);
    assert_eq!(texts(&carol, "#count"), ["3"]);

    alice.says("Good morning!");
    bob.sees("alice: Good morning!");
    carol.sees("Good morning!");
    bob.says("hello, both");
    alice.sees("hello, both");
    carol.says("/me waves");
    bob.sees("** carol waves");
    alice.sees("carol waves");

    bob.says("/msg alice psst");
    alice.sees("only for you");
    bob.sees("[you -> alice] psst");
    alice.says("/r what?");
    bob.sees("[alice -> you] what?");
    alice.sees("only for bob");
    carol.says("/nick caroline");
    bob.sees("* carol is now caroline");
    alice.sees("carol is now caroline");
    alice.waits_for("document.querySelector('#members').innerText.includes('caroline')");
    let log = texts(&carol, "#log .text");
    assert_eq!(log, ["Good morning!", "hello, both", "carol waves"], "and nothing private");

    carol.says("/quit lunch");
    bob.sees("* caroline left: lunch (2 here)");
    alice.sees("caroline left: lunch (2 here)");
    carol.waits_for("document.activeElement.id == 'name'");
}

#[test]
fn an_invitation_brings_the_password_and_does_not_keep_it_in_sight() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let file = format!("{}/password-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    fs::write(&file, "open sesame\n").unwrap();
    let server = Server::start_with_listeners(&OPEN, &["--password-file", &file]);
    let alice = chromium.open(&format!("{}#ops&pw=open%20sesame", page(&server)));
    assert_eq!(alice.finds("location.hash"), "#ops");
    alice.joins_as("alice");
    alice.waits_for("document.querySelector('#where').textContent == '#ops'");

    let bob = chromium.open(&format!("{}#pw=wrong", page(&server)));
    assert_eq!(bob.finds("location.href"), page(&server));
    bob.types("bob");
    bob.presses("Enter");
    bob.waits_for("document.querySelector('#error').textContent.includes('not the password')");
    bob.waits_for("document.activeElement.id == 'password'");
    bob.types("open sesame");
    bob.presses("Enter");
    bob.waits_for("document.querySelector('#status').textContent == 'You are bob'");
    // Cut off, the page comes back by itself; loaded again, by its token.
    bob.call("Page.reload", json!({}));
    bob.waits_for("document.querySelector('#status').textContent == 'You are bob'");
    let kept = "JSON.stringify([localStorage, sessionStorage]).includes('sesame')";
    assert_eq!(bob.finds(kept), false);
}

#[test]
fn each_file_of_the_page_is_one_request() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = chromium.open(&page(&server));
    let fetched = "performance.getEntriesByType('resource')
        .map((file) => new URL(file.name).pathname).filter((path) => path != '/').sort()";
    let modules =
        ["alerts", "archive", "complete", "connection", "lines", "order", "rooms", "text", "words"];
    let modules = modules.map(|name| format!("/page/{name}.js"));
    let expected = ["/page.css".to_owned(), "/page.js".to_owned()].into_iter().chain(modules);
    assert_eq!(alice.finds(fetched), Value::from_iter(expected));
    alice.joins_as("alice");
}

#[test]
fn what_anyone_writes_stays_text() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &["--flood=0"]);
    let alice = tab_in_lobby(&chromium, &server, "alice");
    let mut bob = Person::join(&server, "bob");
    let evil = [
        "<script>document.title = 'mine'</script>",
        "<img src=x onerror=\"document.title = 'mine'\">",
        "javascript:alert(1) data:text/html,x https://exa\"onclick=\"x",
        "&lt;b&gt; &amp; <b>bold</b>",
    ];
    for text in evil {
        bob.says(text);
        alice.sees(text);
    }
    bob.says("/quit <b>bye</b>");
    alice.sees("bob left: <b>bye</b> (1 here)");
    assert_eq!(texts(&alice, "#log .text"), evil);
    assert_eq!(alice.finds("document.querySelectorAll('#log script, #log img, #log b').length"), 0);
    assert_eq!(alice.finds("document.title"), "#lobby · chinwag");
    let handlers = "[...document.querySelectorAll('#log *')].some((e) => e.onclick)";
    assert_eq!(alice.finds(handlers), false);
}

#[test]
fn links_are_links_and_open_elsewhere() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = tab_in_lobby(&chromium, &server, "alice");
    alice.says("see (https://example.com/a?b=c&d), ftp://x and HTTP://example.org/ü.");
    alice.sees("ftp://x");
    assert_eq!(texts(&alice, "#log a"), ["https://example.com/a?b=c&d", "HTTP://example.org/ü"]);
    let rest =
        "[...document.querySelectorAll('#log a')].map((a) => [a.rel, a.target, a.protocol].join())";
    let expected = ["noopener noreferrer,_blank,https:", "noopener noreferrer,_blank,http:"];
    assert_eq!(alice.finds(rest), Value::from(expected.to_vec()));
}

/// Makes what the server tells to the page `wire` in its scripts, so that the page can be told what
/// no server would let pass. To be called before somebody joins.
fn taps_the_wire(tab: &Tab) {
    tab.finds(
        "window.WebSocket = class extends WebSocket {
            constructor(...all) { super(...all); window.wire = this; }
        }; 0",
    );
}

/// The page is told an event.
fn is_told(tab: &Tab, event: &Value) {
    tab.finds(&format!("wire.onmessage({{ data: JSON.stringify({event}) }})"));
}

fn says(text: &str) -> Value {
    json!({ "type": "say", "room": "#lobby", "from": "bob", "text": text, "at": 1_700_000_000 })
}

#[test]
fn no_line_is_made_of_thousands_of_elements() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &["--flood=0"]);
    let alice = chromium.open(&page(&server));
    // Making an expression is dear; it is counted from here on.
    alice.finds(
        "window.expressions = 0; window.RegExp = class extends RegExp {
            constructor(...all) {
                super(...all);
                // To go through a text, the engine copies one.
                if (typeof all[0] === 'string') window.expressions += 1;
            }
        }; 0",
    );
    alice.joins_as("alice");
    let mut bob = Person::join(&server, "bob");
    let lines = ["http://a ".repeat(450), "alice ".repeat(680), "http://a alice ".repeat(270)];
    for (number, line) in lines.iter().enumerate() {
        bob.says(line.trim_end());
        bob.says(&format!("that was {number}"));
        alice.sees(&format!("that was {number}"));
        let line_of = "[...document.querySelectorAll('#log .text')].at(-2)";
        assert_eq!(alice.finds(&format!("{line_of}.textContent")), line.trim_end());
        let count = |tag: &str| alice.finds(&format!("{line_of}.querySelectorAll({tag:?}).length"));
        assert_eq!(count("a"), [16, 0, 16][number], "links of line {number}");
        assert_eq!(count("mark"), [0, 16, 16][number], "marks of line {number}");
        assert_eq!(count("*"), [16, 16, 32][number], "elements of line {number}");
    }
    assert_eq!(alice.finds("window.expressions"), 1, "one for a name, not one for each word");
    let links = "[...document.querySelectorAll('#log a')].every((a) => a.href == 'http://a/')";
    assert_eq!(alice.finds(links), true);
    // Another name is looked for at once.
    alice.says("/nick eve");
    bob.sees_until("* alice is now eve");
    bob.says("alice or Eve");
    alice.sees("alice or Eve");
    let marks =
        "[...document.querySelectorAll('#log .text')].at(-1).querySelector('mark').innerText";
    assert_eq!(alice.finds(marks), "Eve");
}

#[test]
fn a_line_takes_time_in_proportion_to_its_length() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = chromium.open(&page(&server));
    taps_the_wire(&alice);
    alice.finds(
        "window.expressions = []; window.replace = RegExp.prototype[Symbol.replace];
        RegExp.prototype[Symbol.replace] = function (...all) {
            window.expressions.push(this.source);
            return window.replace.apply(this, all);
        }; 0",
    );
    alice.joins_as("alice");
    // In most browsers, a step for each two of these would be ten minutes.
    const MANY: usize = 400_000;
    let (dots, names) = (".".repeat(MANY), "a".repeat(MANY));
    for text in [
        format!("http://a{dots}b"),
        format!("http://a{dots} b"),
        format!("http://a{}b", ".)".repeat(MANY / 2)),
        format!("http://[{dots}"),
        "http://".repeat(MANY / 7),
        format!("alic{names}"),
        "alice_".repeat(MANY / 6),
    ] {
        is_told(&alice, &says(&text));
    }
    is_told(&alice, &says("http://example.com/a.b?c)!?..."));
    alice.sees("example.com");
    // Not in Chromium, which looks for a row at the end from the end.
    let from_each_place = "window.expressions.filter((source) => /[+*]\\)*\\$$/.test(source))";
    assert_eq!(alice.finds(from_each_place), json!([]));
    assert_eq!(texts(&alice, "#log a").last().unwrap(), "http://example.com/a.b?c");
}

#[test]
fn nobodys_marks_stand_over_the_lines_of_others() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = chromium.open(&page(&server));
    taps_the_wire(&alice);
    alice.looks_like(800, 600, false);
    alice.joins_as("alice");
    is_told(&alice, &says("a quiet line"));
    alice.sees("a quiet line");
    // Whole pixels: what is cut through is blended a little otherwise each time.
    let of_line = "(({ left, top, width, height }) => ({
            x: Math.ceil(left), y: Math.ceil(top),
            width: Math.floor(width) - 1, height: Math.floor(height) - 1, scale: 1,
        }))(document.querySelector('#log .text').getBoundingClientRect())";
    let place = alice.finds(of_line);
    let quiet = alice.screenshot_of(&place);
    for (kind, from) in [("say", "bob"), ("me", "bob"), ("leave", "bob")] {
        let text = format!("Z{}", "\u{302}".repeat(20)).repeat(20);
        is_told(
            &alice,
            &json!({
                "type": kind, "room": "#lobby", "from": from, "names": ["bob"], "count": 1,
                "at": 1_700_000_000,
                "text": text, "words": text,
            }),
        );
    }
    alice.sees("bob left");
    assert_eq!(alice.finds(of_line), place, "it stays where it is");
    assert!(alice.screenshot_of(&place) == quiet, "not a pixel of it is changed");
    let overflow = "[...document.querySelectorAll('#log > li')]
        .every((line) => getComputedStyle(line).overflow == 'clip')";
    assert_eq!(alice.finds(overflow), true);
}

#[test]
fn whoever_looks_away_finds_how_much_was_said_and_who_meant_them() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = tab_in_lobby(&chromium, &server, "alice");
    let mut bob = Person::join(&server, "bob");
    alice.sees("bob joined");
    // The window is never in front in a test, so this is what decides.
    alice.finds("document.hasFocus = () => false");
    bob.says("hi Alice!");
    bob.says("malice is not alices");
    alice.waits_for("document.title == '(2) #lobby · chinwag'");
    alice.sees("malice is not alices");
    assert_eq!(texts(&alice, "#log .mention .text"), ["hi Alice!"]);
    assert_eq!(texts(&alice, "#log mark"), ["Alice"]);
    alice.finds("window.dispatchEvent(new Event('focus'))");
    alice.waits_for("document.title == '#lobby · chinwag'");
}

#[test]
fn after_a_restart_everyone_is_back_under_their_names() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let mut server = Server::start_with_listeners(&OPEN, &[]);
    let listener = format!("--listen=web={}", server.address("web"));
    let alice = tab_in_lobby(&chromium, &server, "alice");
    alice.says("before");
    alice.sees("before");
    server.kill();
    alice.waits_for("document.querySelector('#status').textContent.includes('again')");
    let server = Server::start(&[&listener, "--listen=lines=127.0.0.1:0"]);
    alice.waits_for("document.querySelector('#status').textContent == 'You are alice'");
    let mut bob = Person::join(&server, "bob");
    alice.says("after");
    bob.sees("alice: after");
    alice.sees("after");
    assert_eq!(texts(&alice, "#log .text"), ["before", "after"]);
}

/// A file for an archive in a folder that is gone at the end of the test.
#[cfg(feature = "data")]
fn data(folder: &common::Folder) -> String {
    format!("--data={}", folder.file("chat.db").display())
}

#[cfg(feature = "data")]
#[test]
fn what_was_said_long_ago_comes_when_one_scrolls_up_and_can_be_found() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let folder = common::Folder::new("browser-archive");
    let args = [&*data(&folder), "--history=5", "--flood=0"];
    let server = Server::start_with_listeners(&OPEN, &args);
    let mut bob = Person::join(&server, "bob");
    (0..400).for_each(|number| bob.says(&format!("line {number}")));
    bob.says("/join ops");
    bob.sees("* You are in #ops. Here now: bob.");
    bob.says("你好世界");
    let alice = tab_in_lobby(&chromium, &server, "alice");
    alice.sees("line 399");
    for first in ["line 299", "line 199", "line 0"] {
        let has = format!(
            "[...document.querySelectorAll('#log .text')].some((e) => e.textContent == {first:?})"
        );
        let scrolled = format!("(document.querySelector('#log').scrollTop = 0, {has})");
        alice.waits_for(&scrolled);
    }
    let all: Vec<_> = (0..400).map(|number| format!("line {number}")).collect();
    assert_eq!(texts(&alice, "#log .text"), all);

    alice.finds("document.querySelector('#seek').click()");
    alice.types("世界 from:bob");
    alice.presses("Enter");
    alice.waits_for("document.querySelector('#hits')?.innerText.includes('bob: 你好世界')");
    alice.finds("document.querySelector('#hits button').click()");
    alice.waits_for("document.querySelector('#log .sought .text')?.textContent == '你好世界'");
    alice.waits_for("document.title == '#ops · chinwag'");
    alice.finds("document.querySelector('#seek').click()");
    alice.types("in:#nowhere");
    alice.presses("Enter");
    alice.waits_for("document.querySelector('#found').textContent == 'Nothing was found.'");
}

#[cfg(feature = "data")]
#[test]
fn after_a_restart_nothing_is_missing_that_was_kept() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let folder = common::Folder::new("browser-restart");
    let args = [&*data(&folder), "--history=5", "--flood=0", "--listen=lines=127.0.0.1:0"];
    let listen = |address: &str| format!("--listen=web={address}");
    let start = |address: &str| {
        Server::start(&args.iter().copied().chain([&*listen(address)]).collect::<Vec<_>>())
    };
    let mut server = start("127.0.0.1:0");
    let address = server.address("web").to_string();
    let alice = tab_in_lobby(&chromium, &server, "alice");
    alice.says("before");
    alice.sees("before");
    // A question is answered when all that was said before it is safe.
    let mut bob = Person::join(&server, "bob");
    bob.says("/search nowhere");
    bob.sees_until("* Nothing was found.");
    server.kill();
    alice.waits_for("document.querySelector('#status').textContent.includes('again')");
    let server = start(&address);
    let mut bob = Person::join(&server, "bob");
    (0..250).for_each(|number| bob.says(&format!("line {number}")));
    let last = "[...document.querySelectorAll('#log .text')].at(-1)?.textContent";
    alice.waits_for(&format!("{last} == 'line 249'"));
    let lines = (0..250).map(|number| format!("line {number}"));
    let all: Vec<_> = ["before".to_owned()].into_iter().chain(lines).collect();
    alice.waits_for(&format!("document.querySelectorAll('#log .text').length >= {}", all.len()));
    assert_eq!(texts(&alice, "#log .text"), all);
    assert!(texts(&alice, "#log .gap").is_empty());
}

#[test]
fn whoever_loads_the_page_again_is_back_under_their_name() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = tab_in_lobby(&chromium, &server, "alice");
    alice.says("before");
    alice.sees("before");
    alice.goes_to(&page(&server));
    alice.waits_for("document.querySelector('#status').textContent == 'You are alice'");
    alice.sees("before");
    alice.says("/quit");
    alice.waits_for("document.activeElement.id == 'name'");
    // Who has quit does not come back by itself, but need not type the name again.
    alice.goes_to(&page(&server));
    alice.waits_for("document.querySelector('#name').value == 'alice'");
    assert_eq!(alice.finds("document.querySelector('#room').hidden"), true);
}

#[test]
fn a_name_that_is_taken_is_asked_for_again() {
    let Some(chromium) = Chromium::start("zh-CN") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let mut bob = Person::join(&server, "bob");
    bob.says("before you");
    let alice = chromium.open(&page(&server));
    alice.waits_for("document.activeElement.id == 'name'");
    assert_eq!(alice.finds("document.querySelector('label').textContent"), "请输入您的昵称");
    alice.types("Bob");
    alice.presses("Enter");
    alice.waits_for(
        "document.querySelector('#error').textContent == '昵称 Bob 已被使用，请换一个。'",
    );
    alice.types("王芳");
    alice.presses("Enter");
    bob.sees("* 王芳 joined (2 here)");
    alice.sees("before you");
    bob.says("/quit");
    alice.sees("bob 离开了聊天 (在线 1 人)");
}

#[test]
fn ten_thousand_lines_do_not_stay() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &["--flood=0"]);
    let alice = tab_in_lobby(&chromium, &server, "alice");
    let mut bob = Person::join(&server, "bob");
    for number in 1..=10_000 {
        bob.says(&format!("line {number} of ten thousand"));
    }
    alice.sees("line 10000 of ten thousand");
    let kept = alice.finds("document.querySelector('#log').children.length").as_u64().unwrap();
    assert!(kept <= 1000, "{kept} lines");
    alice.says("still quick");
    bob.sees("alice: still quick");
}

#[test]
fn the_page_can_be_used_by_those_who_do_not_see_it() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = tab_in_lobby(&chromium, &server, "alice");
    let _bob = Person::join(&server, "bob");
    alice.sees("bob joined");
    let nameless = "[...document.querySelectorAll('button, input, textarea')]
        .filter((e) => e.offsetParent)
        .filter((e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.[0]?.textContent))
        .map((e) => e.outerHTML)";
    assert_eq!(alice.finds(nameless), Value::Array(Vec::new()));
    let log = "(({ role, ariaLive, ariaLabel }) => [role, ariaLive, ariaLabel].join())(
        document.querySelector('#log'))";
    assert_eq!(alice.finds(log), "log,polite,Conversation");
    // From the line to bob and back, with the keyboard alone.
    alice.presses("Tab");
    alice.presses("Tab");
    alice.waits_for("document.activeElement.innerText.includes('bob')");
    alice.presses("Enter");
    alice.waits_for("document.activeElement.id == 'line'");
    alice.waits_for("document.querySelector('#target').innerText.includes('Only bob')");
    alice.presses("Escape");
    alice.waits_for("document.querySelector('#target').hidden");
}

#[test]
fn what_is_for_one_person_is_never_said_to_all() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = tab_in_lobby(&chromium, &server, "alice");
    let (mut bob, mut carol) = (Person::join(&server, "bob"), Person::join(&server, "carol"));
    bob.sees("* carol joined (3 here)");
    alice.sees("carol joined");
    alice.finds("[...document.querySelectorAll('#members button:first-child')].at(-2).click()");
    alice.waits_for("document.querySelector('#target').innerText.includes('Only bob')");
    for (typed, told) in
        [("hi", "hi"), ("/me waves", "/me waves"), ("//etc", "/etc"), ("/etc/x", "/etc/x")]
    {
        alice.says(typed);
        bob.sees(&format!("[alice -> you] {told}"));
    }
    carol.sees_nothing_more();
    alice.says("/nick eve");
    carol.sees("* alice is now eve");
}

#[test]
fn a_name_is_found_in_scripts_without_spaces() {
    let Some(chromium) = Chromium::start("zh-CN") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let page = tab_in_lobby(&chromium, &server, "小明");
    let mut bob = Person::join(&server, "bob");
    for line in ["小明你好", "你好小明", "小明，你好"] {
        bob.says(line);
    }
    page.waits_for("document.querySelectorAll('#log .mention').length == 3");
    bob.sees_nothing_more();
}

#[test]
fn the_last_lines_stay_in_sight_when_the_window_gets_lower() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = chromium.open(&page(&server));
    alice.looks_like(375, 667, false);
    alice.joins_as("alice");
    let mut bob = Person::join(&server, "bob");
    for number in 0..30 {
        bob.says(&format!("line {number}"));
    }
    alice.sees("line 29");
    alice.looks_like(667, 375, false);
    alice.waits_for(
        "(({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight < 2
            && clientHeight < 375)(document.querySelector('#log'))",
    );
}

/// The names of the rooms in the list, each with how much is new in it.
fn rooms_of(tab: &Tab) -> Vec<String> {
    texts(tab, "#list button")
}

/// Somebody who is at `lines`, in another room than the lobby.
fn person_in(server: &Server, name: &str, room: &str) -> Person {
    let mut person = Person::join(server, name);
    person.answers_to(&format!("/join {room}"));
    person
}

#[test]
fn each_room_has_its_own_log_people_draft_and_count_of_what_is_new() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let mut bob = Person::join(&server, "bob");
    let alice = tab_in_lobby(&chromium, &server, "alice");
    bob.sees("* alice joined (2 here)");
    alice.says("/join ops");
    alice.waits_for("document.title == '#ops · chinwag' && location.hash == '#ops'");
    let mut carol = person_in(&server, "carol", "#ops");
    alice.sees("carol joined (2 here)");
    assert_eq!(rooms_of(&alice), ["#lobby", "#ops"]);
    alice.waits_for("document.querySelector('#members').innerText.includes('carol')");
    assert_eq!(texts(&alice, "#members .name"), ["alice", "carol"]);

    bob.says("is anybody here?");
    bob.says("Alice, are you?");
    alice.waits_for("document.title == '(2) #ops · chinwag'");
    assert_eq!(rooms_of(&alice), ["#lobby2", "#ops"]);
    let label = "document.querySelector('#list button').ariaLabel";
    assert_eq!(alice.finds(label), "#lobby, 2 new, 1 for you");
    assert_eq!(texts(&alice, "#list .mentioned"), ["2"]);
    alice.says("/topic Who is on call");
    alice.waits_for("document.querySelector('#topic').innerText == 'Who is on call'");
    alice.types("not yet");
    alice.presses("Alt+ArrowUp");
    alice.waits_for("document.title == '#lobby · chinwag' && location.hash == '#lobby'");
    alice.sees("is anybody here?");
    assert_eq!(rooms_of(&alice), ["#lobby", "#ops"]);
    assert_eq!(texts(&alice, "#topic"), [""]);
    assert_eq!(alice.finds("document.querySelector('#line').value"), "");
    alice.says("yes");
    bob.sees_until("alice: yes");
    alice.presses("Alt+ArrowDown");
    alice.waits_for("document.querySelector('#line').value == 'not yet'");
    alice.says(" but soon");
    carol.sees_until("alice: not yet but soon");
    alice.sees("not yet but soon");
    assert_eq!(texts(&alice, "#log .text"), ["not yet but soon"]);
    bob.sees_nothing_more();

    alice.finds("document.querySelector('#leave').click()");
    carol.sees("* alice left (1 here)");
    alice.waits_for("document.title == '#lobby · chinwag'");
    assert_eq!(rooms_of(&alice), ["#lobby"]);
}

#[test]
fn a_link_to_a_room_leads_there_and_rooms_are_there_again_after_a_reload() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let mut bob = person_in(&server, "bob", "#ops");
    bob.says("before you");
    let alice = chromium.open(&format!("{}#ops", page(&server)));
    alice.waits_for("document.querySelector('#bound').innerText == 'You will join #ops.'");
    alice.joins_as("alice");
    bob.sees_until("* alice joined (2 here)");
    alice.sees("before you");
    assert_eq!(rooms_of(&alice), ["#lobby", "#ops"]);
    // The address of the page that is open: a room is joined without loading it again.
    alice.finds("location.hash = '#büro'; 0");
    alice.waits_for("document.title == '#büro · chinwag'");
    alice.presses("Alt+ArrowUp");
    alice.waits_for("location.hash == '#ops'");
    // Whoever has left the lobby is not there after a reload either.
    alice.presses("Alt+ArrowUp");
    alice.says("/part");
    alice.waits_for("document.querySelectorAll('#list button').length == 2");
    alice.waits_for("location.hash == '#ops'");
    alice.call("Page.reload", json!({}));
    alice.waits_for("document.querySelectorAll('#list button').length == 2 && !room.hidden");
    alice.waits_for("document.title == '#ops · chinwag'");
    alice.sees("before you");
    assert_eq!(rooms_of(&alice), ["#ops", "#büro"]);
    alice.says("still here");
    bob.sees_until("alice: still here");
}

#[test]
fn rooms_can_be_found_and_people_invited() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let mut bob = person_in(&server, "bob", "#ops");
    bob.says("/topic Who is on call");
    let alice = tab_in_lobby(&chromium, &server, "alice");
    bob.says("/invite alice");
    alice.sees("bob invites you to #ops.");
    alice.finds("document.querySelector('#log .door').click()");
    bob.sees_until("* alice joined (2 here)");
    alice.waits_for("document.querySelector('#topic').innerText == 'Who is on call'");
    alice.says("/rooms");
    alice.sees("2 here · Who is on call");
    alice.sees("1 here");
    assert_eq!(texts(&alice, "#log .door"), ["#ops", "#lobby"]);
    alice.says("/part");
    alice.waits_for("document.title == '#lobby · chinwag'");
    // By the form, with the keyboard alone.
    alice.finds("document.querySelector('#joined').focus()");
    alice.types("ops");
    alice.presses("Enter");
    alice.waits_for("document.title == '#ops · chinwag'");
    alice.finds("document.querySelector('#joined').focus()");
    alice.types("no way");
    alice.presses("Enter");
    alice.sees("cannot be the name of a room");
    for room in ["#ops", "#lobby"] {
        alice.finds("document.querySelector('#leave').click()");
        alice.waits_for(&format!("!document.querySelector('#list').innerText.includes({room:?})"));
    }
    alice.waits_for("document.querySelector('#topic').innerText.includes('You are in no room')");
}

/// Somebody who is at the page, in the lobby.
fn tab_in_lobby(chromium: &Chromium, server: &Server, name: &str) -> Tab {
    let tab = chromium.open(&page(server));
    tab.joins_as(name);
    tab
}

/// Somebody who is at the page, in `#ops`.
fn tab_in_ops(chromium: &Chromium, server: &Server, name: &str) -> Tab {
    let tab = chromium.open(&format!("{}#ops", page(server)));
    tab.joins_as(name);
    tab.waits_for("document.title == '#ops · chinwag'");
    tab
}

/// Asks for `#ops` by the form below the list of rooms.
fn joins_ops(tab: &Tab) {
    tab.finds("document.querySelector('#joined').focus()");
    tab.types("ops");
    tab.presses("Enter");
}

/// Opens the menu at somebody, and does what has this name there.
fn does(tab: &Tab, name: &str, deed: &str) {
    let button = format!("document.querySelector('.deeds[value={name}]')");
    tab.waits_for(&button);
    tab.finds(&format!("{button}.focus()"));
    tab.presses("Enter");
    tab.waits_for("document.activeElement.role == 'menuitem'");
    let item = format!(
        "[...document.querySelectorAll('#menu button')].find((e) => e.textContent == {deed:?})"
    );
    tab.finds(&format!("{item}.click()"));
}

#[test]
fn an_operator_of_a_room_puts_somebody_out_by_the_menu_who_is_told_why() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = tab_in_ops(&chromium, &server, "alice");
    let bob = tab_in_ops(&chromium, &server, "bob");
    alice.sees("bob joined");
    alice.waits_for("document.querySelector('#members .rank')?.textContent == '@'");

    // Whoever may do nothing to others is shown nothing of it; Escape closes the menu.
    let deeds = "[...document.querySelectorAll('#menu button')].map((e) => e.textContent)";
    bob.finds("document.querySelector('.deeds[value=alice]').focus()");
    bob.presses("Enter");
    bob.waits_for("document.activeElement.textContent == 'Write'");
    assert_eq!(bob.finds(deeds), json!(["Write", "Mention", "Ignore", "Who is that?"]));
    bob.presses("Escape");
    bob.waits_for("document.activeElement.matches('.deeds[value=alice]') && menu.hidden");

    does(&alice, "bob", "Give voice");
    bob.waits_for("[...document.querySelectorAll('#members .rank')].at(-1).textContent == '+'");
    assert_eq!(texts(&bob, "#members .name"), ["alice", "bob"]);
    does(&alice, "bob", "Kick out of the room");
    alice.waits_for("document.activeElement.placeholder == 'Why? (may stay empty)'");
    alice.types("far too loud");
    alice.presses("Enter");
    bob.sees("You were kicked out of #ops by alice: far too loud");
    bob.waits_for("document.title == '#lobby · chinwag'");
    assert_eq!(rooms_of(&bob), ["#lobby"]);
    alice.sees("bob was kicked by alice: far too loud (1 here)");
    assert_eq!(texts(&alice, "#members .name"), ["alice"]);
    alice.waits_for("document.activeElement.id == 'line'");

    // Everybody here has the address of this machine.
    joins_ops(&bob);
    bob.waits_for("document.title == '#ops · chinwag'");
    let _carol = person_in(&server, "carol", "#ops");
    alice.sees("carol joined");
    does(&alice, "bob", "Ban from the room");
    alice.waits_for("document.querySelector('#menu select').value == '1h'");
    alice.presses("Enter");
    alice.sees("This would also hit others who are here (1).");
    alice.finds("document.querySelector('#log .asking button').click()");
    bob.sees("You were banned from #ops by alice");
    assert_eq!(rooms_of(&bob), ["#lobby"]);
    joins_ops(&bob);
    bob.sees("You are banned from #ops");
}

#[test]
fn what_is_set_for_a_room_is_seen_by_others_and_a_key_is_asked_for() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = tab_in_ops(&chromium, &server, "alice");
    let bob = tab_in_ops(&chromium, &server, "bob");
    let checked = "[...document.querySelectorAll('#setting :checked')].map((e) => e.name)";
    for tab in [&alice, &bob] {
        tab.finds("document.querySelector('#configure').click()");
        tab.waits_for("document.querySelector('#setting [name=topic]').checked");
        assert_eq!(tab.finds(checked), json!(["topic", "members"]));
    }
    assert_eq!(bob.finds("document.querySelectorAll('#setting :enabled').length"), 2);
    assert_eq!(bob.finds("document.querySelector('#notmine').hidden"), false);
    alice.finds("document.querySelector('#setting [name=moderated]').click()");
    bob.waits_for("document.querySelector('#setting [name=moderated]').checked");
    bob.sees("alice set #ops: moderated on");
    alice.finds("document.querySelector('#setting [name=key]').focus()");
    alice.types("two words");
    alice.presses("Enter");
    alice.waits_for("document.querySelector('#settings [role=alert]').textContent != ''");
    alice.types("sesame");
    alice.presses("Enter");
    bob.waits_for("document.querySelector('#setting [name=key]').placeholder == 'has a key'");
    bob.finds("document.querySelector('#settings .close').click()");
    bob.says("may I?");
    bob.sees("only operators and the voiced may speak");

    bob.finds("document.querySelector('#leave').click()");
    bob.waits_for("document.title == '#lobby · chinwag'");
    joins_ops(&bob);
    bob.waits_for("document.activeElement.id == 'roomkey'");
    bob.types("wrong");
    bob.presses("Enter");
    bob.waits_for("document.activeElement.id == 'roomkey' && roomkey.value == ''");
    bob.types("sesame");
    bob.presses("Enter");
    bob.waits_for("document.title == '#ops · chinwag'");
}

#[cfg(feature = "data")]
#[test]
fn a_name_with_a_password_is_asked_for_it_once_and_then_known_by_its_token() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let folder = common::Folder::new("browser-accounts");
    let server = Server::start_with_listeners(&OPEN, &[&data(&folder)]);
    let is = |text: &str| format!("document.querySelector('#self').textContent == {text:?}");
    let alice = tab_in_lobby(&chromium, &server, "alice");
    alice.waits_for(&is("guest"));
    alice.finds("document.querySelector('#self').click()");
    alice.waits_for("document.activeElement.id == 'chosen'");
    alice.types("short");
    alice.presses("Enter");
    alice.waits_for("document.querySelector('#account [role=alert]').textContent != ''");
    alice.types("correct horse");
    alice.presses("Enter");
    alice.waits_for(&is("account"));
    alice.sees("alice is your account now");
    alice.call("Page.reload", json!({}));
    alice.waits_for(&is("account"));
    alice.waits_for("document.querySelector('#status').textContent == 'You are alice'");
    alice.says("/quit");

    // The tab is as good as a new one then: nobody knows who sits there.
    alice.waits_for("document.activeElement.id == 'name'");
    alice.presses("Enter");
    alice.waits_for("document.activeElement.id == 'password'");
    alice.waits_for("document.querySelector('#secret').innerText.includes('alice is registered')");
    assert_eq!(alice.finds("document.querySelector('#name').value"), "alice");
    alice.looks_like(390, 720, false);
    let overflows = "document.documentElement.scrollWidth > window.innerWidth";
    assert_eq!(alice.finds(overflows), false, "a phone need not scroll sideways");
    alice.types("wrong horse");
    alice.presses("Enter");
    alice.waits_for("document.querySelector('#error').textContent != ''");
    alice.waits_for("document.activeElement.id == 'password'");
    alice.types("correct horse");
    alice.presses("Enter");
    alice.waits_for(&is("account"));
    let kept = "JSON.parse(localStorage.account).token.length";
    assert_eq!(alice.finds(kept), 64);
    alice.says("/quit");
    alice.waits_for("document.activeElement.id == 'name'");
    alice.call("Page.reload", json!({}));
    alice.waits_for("document.activeElement.id == 'name' && document.readyState == 'complete'");
    alice.waits_for("document.activeElement.value == 'alice'");
    alice.presses("Enter");
    alice.waits_for(&is("account"));

    // What has a password in it is kept nowhere, and is not said to anybody.
    alice.says("/password correct horse2 battery staple");
    alice.says("/login alice correct horse");
    alice.waits_for("document.querySelector('#line').value == ''");
    alice.presses("ArrowUp");
    assert_eq!(alice.finds("document.querySelector('#line').value"), "");
    let is_kept = "JSON.stringify([localStorage, sessionStorage, document.body.innerText])
        .includes('horse')";
    assert_eq!(alice.finds(is_kept), false);
    alice.says("/logout");
    alice.waits_for(&is("guest"));
    assert_eq!(alice.finds("localStorage.account"), Value::Null);
}

/// Puts a server into the page that says only what the test tells it, and keeps what it was sent.
/// To be called before somebody joins.
fn has_a_server_of_paper(tab: &Tab) {
    tab.finds(
        "window.sent = []; window.connections = 0;
        window.WebSocket = class {
            static OPEN = 1;
            readyState = 1;
            constructor() { window.wire = this; window.connections += 1; }
            send(text) { window.sent.push(JSON.parse(text)); }
            close() {}
        }; 0",
    );
}

/// What the page has sent since this was asked last.
fn sent_by(tab: &Tab) -> Value {
    tab.finds("window.sent.splice(0)")
}

/// The connection breaks, and the page connects again.
fn is_cut_off(tab: &Tab) {
    let before = tab.finds("window.connections");
    tab.finds("wire.onclose(); 0");
    tab.waits_for(&format!("window.connections > {before}"));
    sent_by(tab);
    is_told(tab, &json!({ "type": "ask", "motd": [], "line_bytes_max": 4096 }));
}

fn line(id: u64, from: &str, text: &str) -> Value {
    let at = 1_700_000_000;
    json!({ "type": "say", "room": "#lobby", "id": id, "from": from, "text": text, "at": at })
}

fn resumed(token: &str, gap: bool, history: &[Value], id: u64) -> Value {
    let members = ["alice", "bob"];
    let lobby = json!({
        "room": "#lobby", "members": members, "count": 2, "gap": gap, "history": history, "id": id,
    });
    json!({ "type": "resumed", "name": "alice", "token": token, "rooms": [lobby] })
}

/// Alice is in the lobby of a server of paper, up to the line with the number 11.
fn alice_with_a_server_of_paper(chromium: &Chromium, server: &Server) -> Tab {
    let alice = chromium.open(&page(server));
    has_a_server_of_paper(&alice);
    alice.waits_for("document.activeElement.id == 'name'");
    alice.types("alice");
    alice.presses("Enter");
    is_told(&alice, &json!({ "type": "ask", "motd": [], "line_bytes_max": 4096 }));
    assert_eq!(sent_by(&alice), json!([{ "type": "nick", "name": "alice" }]));
    is_told(
        &alice,
        &json!({
            "type": "welcome", "name": "alice", "token": "first", "room": "#lobby",
            "members": ["alice", "bob"], "count": 2, "history": [], "id": 10,
        }),
    );
    is_told(&alice, &line(11, "bob", "one"));
    alice.sees("one");
    alice
}

#[test]
fn what_was_missed_is_shown_once_and_what_was_not_said_is_said_once() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = alice_with_a_server_of_paper(&chromium, &server);
    alice.says("two");
    let key = sent_by(&alice)[0]["key"].clone();
    assert!(key.as_str().is_some_and(|key| (1..=64).contains(&key.len())), "{key}");
    alice.waits_for("document.querySelector('#log .pending').innerText.includes('two')");

    // The line was said, but nothing of that came.
    is_cut_off(&alice);
    let resume = json!([{ "type": "resume", "token": "first", "rooms": { "#lobby": 11 } }]);
    assert_eq!(sent_by(&alice), resume);
    let missed = [line(11, "bob", "one"), line(12, "alice", "two"), line(13, "bob", "three")];
    is_told(&alice, &resumed("second", false, &missed, 14));
    is_told(&alice, &json!({ "type": "ack", "key": key, "id": 12 }));
    is_told(&alice, &line(13, "bob", "three"));
    is_told(&alice, &line(15, "bob", "four"));
    alice.sees("four");
    assert_eq!(texts(&alice, "#log .text"), ["one", "two", "three", "four"]);
    assert_eq!(texts(&alice, "#log .pending"), [""; 0]);
    assert_eq!(sent_by(&alice), json!([]), "nothing is sent again that was said");

    // The line never arrived.
    alice.says("/me waves");
    let first = sent_by(&alice);
    assert_eq!((&first[0]["type"], &first[0]["text"]), (&json!("me"), &json!("waves")));
    is_cut_off(&alice);
    let resume = json!([{ "type": "resume", "token": "second", "rooms": { "#lobby": 15 } }]);
    assert_eq!(sent_by(&alice), resume);
    is_told(&alice, &resumed("third", false, &[line(16, "bob", "five")], 16));
    assert_eq!(sent_by(&alice), first, "as it was, with its key");
    is_told(&alice, &json!({ "type": "ack", "key": first[0]["key"], "id": 17 }));
    let mut said = line(17, "alice", "waves");
    said["type"] = "me".into();
    is_told(&alice, &said);
    alice.sees("five");
    alice.sees("alice waves");
    assert_eq!(texts(&alice, "#log .pending"), [""; 0]);
    assert_eq!(texts(&alice, "#log .text"), ["one", "two", "three", "four", "five", "alice waves"]);

    // More was said than the server still has.
    is_cut_off(&alice);
    is_told(&alice, &resumed("fourth", true, &[line(90, "bob", "ninety")], 95));
    alice.sees("ninety");
    assert_eq!(texts(&alice, "#log .gap"), ["Some lines are missing"]);
}

#[test]
fn whoever_cannot_resume_comes_back_by_name_into_their_rooms() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = alice_with_a_server_of_paper(&chromium, &server);
    let ops = json!({
        "type": "welcome", "name": "alice", "room": "#ops", "members": ["alice"], "count": 1,
        "history": [], "id": 10,
    });
    is_told(&alice, &ops);
    alice.waits_for("document.title == '#ops · chinwag'");
    alice.says("is this said?");
    is_cut_off(&alice);
    sent_by(&alice);
    let text = json!({ "en": "too late", "zh": "" });
    is_told(&alice, &json!({ "type": "refused", "why": "token", "text": text }));
    assert_eq!(sent_by(&alice), json!([{ "type": "nick", "name": "alice" }]));
    // The numbers of another server say nothing.
    is_told(
        &alice,
        &json!({
            "type": "welcome", "name": "alice", "token": "other", "room": "#lobby",
            "members": ["alice"], "count": 1, "history": [], "id": 3,
        }),
    );
    let sent = sent_by(&alice);
    let key = &sent[0]["key"];
    assert_eq!(sent, json!([{ "type": "join", "room": "#ops", "key": key }]));
    is_told(&alice, &line(4, "bob", "after"));
    alice.waits_for("document.title == '(1) #ops · chinwag'");
    is_told(&alice, &ops);
    // Only whoever wrote it can tell whether it is to be said again.
    alice.sees("perhaps not sent");
    assert_eq!(sent_by(&alice), json!([]));
    alice.finds("document.querySelector('#log .resend').click()");
    assert_eq!(sent_by(&alice)[0]["text"], "is this said?");
    assert_eq!(texts(&alice, "#log .resend"), [""; 0]);
}

#[test]
fn a_token_that_is_refused_is_forgotten_and_the_password_asked_for() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = chromium.open(&page(&server));
    has_a_server_of_paper(&alice);
    alice.waits_for("document.activeElement.id == 'name'");
    alice.finds(
        "localStorage.account =
            JSON.stringify({ name: 'alice', token: 'old', until: Date.now() + 60_000 })",
    );
    alice.types("Alice");
    alice.presses("Enter");
    is_told(&alice, &json!({ "type": "ask", "motd": [], "line_bytes_max": 4096 }));
    is_told(&alice, &json!({ "type": "login", "name": "alice" }));
    let login = json!({ "type": "login", "name": "alice", "token": "old" });
    assert_eq!(sent_by(&alice), json!([{ "type": "nick", "name": "Alice" }, login]));
    let wrong = json!({ "en": "That is not the password.", "zh": "" });
    let wrong = json!({ "type": "refused", "why": "wrong_password", "text": wrong });
    is_told(&alice, &wrong);
    is_told(&alice, &json!({ "type": "login", "name": "alice" }));
    alice.waits_for("document.activeElement.id == 'password'");
    assert_eq!(texts(&alice, "#error"), [""], "nobody has typed anything wrong yet");
    assert_eq!(alice.finds("localStorage.account"), Value::Null);
    assert_eq!(sent_by(&alice), json!([]));
    alice.types("wrong horse");
    alice.presses("Enter");
    assert_eq!(sent_by(&alice), json!([{ "type": "password", "text": "wrong horse" }]));
    is_told(&alice, &wrong);
    is_told(&alice, &json!({ "type": "login", "name": "alice" }));
    assert_eq!(texts(&alice, "#error"), ["That is not the password."]);
    assert_eq!(alice.finds("document.querySelector('#password').value"), "");
    alice.finds("document.querySelector('#other').click()");
    alice.waits_for("document.activeElement.id == 'name'");
    alice.types("eve");
    alice.presses("Enter");
    assert_eq!(sent_by(&alice), json!([{ "type": "nick", "name": "eve" }]));
}

#[test]
fn whoever_is_put_off_the_server_is_told_why_and_does_not_come_back_by_themselves() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = alice_with_a_server_of_paper(&chromium, &server);
    // Whatever is to be done later, but for what is shown with the next lines.
    alice.finds(
        "window.pauses = []; const wait = setTimeout;
        window.setTimeout = (task, pause) => {
            if (pause > 100) window.pauses.push(pause);
            return wait(task, pause);
        }; 0",
    );
    let text = json!({ "en": "You were banned by bob: spam", "zh": "" });
    is_told(&alice, &json!({ "type": "out", "how": "ban", "text": text }));
    alice.waits_for("document.activeElement.id == 'name'");
    alice.finds("wire.onclose(); 0");
    assert_eq!(texts(&alice, "#error"), ["You were banned by bob: spam"]);
    assert_eq!(texts(&alice, "#status"), [""]);
    assert_eq!(alice.finds("window.pauses"), json!([]), "nothing is tried again");
    assert_eq!(alice.finds("window.connections"), 1);
    assert_eq!(alice.finds("sessionStorage.rooms"), Value::Null);
    // The button to come back is there.
    alice.presses("Enter");
    assert_eq!(alice.finds("window.connections"), 2);
}

/// Alice behind a proxy, and bob, both in `#ops`.
fn alice_behind_a_proxy(chromium: &Chromium, server: &Server) -> (Proxy, Tab, Person) {
    let proxy = Proxy::before(server.address("web"));
    let mut bob = person_in(server, "bob", "#ops");
    let alice = chromium.open(&format!("http://{}/#ops", proxy.address));
    alice.joins_as("alice");
    alice.waits_for("document.title == '#ops · chinwag'");
    bob.sees_until("* alice joined (2 here)");
    (proxy, alice, bob)
}

#[test]
fn nothing_is_lost_or_doubled_however_often_the_connection_is_cut() {
    const CUTS: usize = 10;
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &["--flood=0"]);
    let (proxy, alice, mut bob) = alice_behind_a_proxy(&chromium, &server);
    let mut carol = Person::join(&server, "carol");
    let mut said = Vec::new();
    let is_there = "document.querySelector('#status').textContent == 'You are alice'";
    for round in 0..CUTS {
        for line in ["a", "b", "c"].map(|letter| format!("bob {round}{letter}")) {
            bob.says(&line);
            said.push(line);
        }
        carol.says(&format!("in the lobby {round}"));
        // Some lines are written on a connection that is about to break, others while there is
        // none.
        if round % 2 == 0 {
            alice.waits_for(is_there);
        }
        alice.says(&format!("alice {round}"));
        proxy.cuts();
        alice.waits_for(&format!("!({is_there})"));
    }
    bob.says("the end");
    said.push("the end".into());
    alice.sees("the end");
    alice.waits_for("document.querySelectorAll('#log .pending').length == 0");
    let seen = texts(&alice, "#log .text");
    let of_bob = |line: &&String| !line.starts_with("alice");
    assert_eq!(seen.iter().filter(of_bob).collect::<Vec<_>>(), said.iter().collect::<Vec<_>>());
    let of_alice: Vec<_> = (0..CUTS).map(|round| format!("alice {round}")).collect();
    let seen: Vec<_> = seen.into_iter().filter(|line| line.starts_with("alice")).collect();
    assert_eq!(seen, of_alice);
    // Nobody has noticed anything.
    let heard: Vec<_> = bob.answers_to("thanks");
    assert_eq!(heard, of_alice.iter().map(|line| format!("alice: {line}")).collect::<Vec<_>>());
    alice.presses("Alt+ArrowUp");
    let in_lobby: Vec<_> = (0..CUTS).map(|round| format!("in the lobby {round}")).collect();
    alice.sees(in_lobby.last().unwrap());
    assert_eq!(texts(&alice, "#log .text"), in_lobby);
    assert_eq!(texts(&alice, ".gap"), [""; 0]);
}

#[test]
fn a_connection_that_has_gone_silent_is_given_up() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let (proxy, alice, mut bob) = alice_behind_a_proxy(&chromium, &server);
    proxy.goes_silent();
    alice.says("hello?");
    bob.says("are you there?");
    alice.waits_for("document.querySelector('#log .pending')");
    // A clock that runs fast, for the test to be short.
    alice.finds(
        "{ const [now, began] = [Date.now, Date.now()];
        Date.now = () => began + (now() - began) * 20; }",
    );
    alice.sees("are you there?");
    bob.sees_until("alice: hello?");
    alice.waits_for("document.querySelectorAll('#log .pending').length == 0");
    assert_eq!(texts(&alice, "#log .text"), ["are you there?", "hello?"]);
    bob.sees_nothing_more();
}

#[test]
fn what_was_not_confirmed_before_a_reload_is_said_after_it() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let (proxy, alice, mut bob) = alice_behind_a_proxy(&chromium, &server);
    bob.says("before");
    alice.sees("before");
    proxy.goes_silent();
    alice.says("before");
    alice.waits_for("document.querySelector('#log .pending')");
    alice.call("Page.reload", json!({}));
    bob.sees("alice: before");
    alice.waits_for("document.querySelectorAll('#log .text').length == 2");
    alice.waits_for("document.querySelectorAll('#log .pending').length == 0");
    assert_eq!(texts(&alice, "#log .text"), ["before", "before"]);
    assert_eq!(rooms_of(&alice), ["#lobby", "#ops"]);
    bob.sees_nothing_more();
}

#[test]
fn rooms_look_well_on_every_screen() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &["--flood=0"]);
    let [mut bob, mut carol] = room(&server, ["bob", "carol"]);
    let mut dave = person_in(&server, "dave", "#ops");
    dave.says("/topic Who is on call, and what is broken");
    let alice = chromium.open(&page(&server));
    alice.looks_like(960, 620, false);
    alice.joins_as("alice");
    alice.says("/join release-2.4");
    alice.waits_for("document.title == '#release-2.4 · chinwag'");
    alice.says("Nobody here yet?");
    alice.sees("Nobody here yet?");
    alice.says("/join ops");
    alice.waits_for("document.title == '#ops · chinwag'");
    dave.says("the build server is full again");
    dave.says("/me clears it");
    alice.says("thank you!");
    bob.says("coffee at 11?");
    carol.says("alice: are you in?");
    alice.waits_for("document.title.startsWith('(2)')");
    dave.sees_until("alice: thank you!");
    alice.sees("thank you!");
    alice.says("/rooms");
    alice.sees("2 here");
    let picture = alice.screenshot();
    if let Some(folder) = env::var_os("CHINWAG_SCREENSHOTS") {
        fs::write(Path::new(&folder).join("rooms.png"), picture).unwrap();
    }
    // The rooms have no place beside the log there, and come over it.
    alice.looks_like(390, 720, false);
    let is_shown = "document.querySelector('#rooms').offsetParent != null";
    assert_eq!(alice.finds(is_shown), false);
    alice.finds("document.querySelector('#switch').click()");
    assert_eq!(alice.finds(is_shown), true);
    alice.presses("Escape");
    assert_eq!(alice.finds(is_shown), false);
    let overflows = "document.documentElement.scrollWidth > window.innerWidth";
    assert_eq!(alice.finds(overflows), false, "a phone need not scroll sideways");
}

#[test]
fn it_looks_as_in_the_readme() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &["--flood=0"]);
    let [mut bob, mut carol, mut dave, mut fang] = room(&server, ["bob", "carol", "dave", "王芳"]);
    bob.says("Morning! Is the new build up on staging?");
    carol.says("Going up now, ten minutes or so");
    carol.says("notes are at https://example.com/release/2.4");
    fang.says("早上好，大家");
    let alice = chromium.open(&page(&server));
    alice.looks_like(960, 620, false);
    let entry = alice.screenshot();
    alice.joins_as("alice");
    alice.says("Good morning from a browser :)");
    bob.sees_until("alice: Good morning from a browser :)");
    bob.says("ah, alice is here too — we are all on `nc` today");
    bob.says("/me waves");
    fang.says("/quit 开会");
    alice.sees("王芳 left: 开会 (4 here)");
    dave.says("/msg alice can you look at the metrics, too?");
    alice.sees("can you look at the metrics");
    alice.says("/msg dave sure, they look fine so far");
    alice.sees("only for dave");
    carol.says("alice: coffee at 11?");
    alice.sees("coffee at 11?");
    let light = alice.screenshot();
    alice.looks_like(960, 620, true);
    let dark = alice.screenshot();
    alice.looks_like(390, 720, false);
    alice.finds("document.querySelector('#log').scrollTop = 1e9");
    let phone = alice.screenshot();
    for (name, picture) in [("entry", entry), ("light", light), ("dark", dark), ("phone", phone)] {
        assert_eq!(picture[..4], *b"\x89PNG", "{name}");
        if let Some(folder) = env::var_os("CHINWAG_SCREENSHOTS") {
            fs::write(Path::new(&folder).join(format!("{name}.png")), picture).unwrap();
        }
    }
    let overflows = "document.documentElement.scrollWidth > window.innerWidth";
    assert_eq!(alice.finds(overflows), false, "a phone need not scroll sideways");
}
