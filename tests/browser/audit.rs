//! Whether everybody can use the page: an audit by the browser's own tree of what it tells to
//! screen readers, by the colours as they are computed, and by the Tab key, of each thing that the
//! page shows, in light and dark. It looks when nothing moves any more.

use serde_json::{Value, json};

use crate::chromium::{Chromium, Tab};
use crate::common::{Person, Server};
use crate::{
    OPEN, alice_with_a_server_of_paper, is_cut_off, is_told, line, page, person_in, sent_by,
    tab_in_ops,
};

/// What has to have a name for those who do not see it.
const NAMED: [&str; 17] = [
    "button",
    "link",
    "textbox",
    "searchbox",
    "checkbox",
    "combobox",
    "spinbutton",
    "listbox",
    "option",
    "menu",
    "menuitem",
    "dialog",
    "image",
    "img",
    "log",
    "navigation",
    "region",
];

/// What the Tab key leads to from where the focus is, until it is there again.
fn goes_around(tab: &Tab) {
    tab.finds(
        "if (!window.reached) {
            document.addEventListener('focusin', ({ target }) => window.reached.add(target));
        }
        window.reached = new Set([document.activeElement]); 0",
    );
    let count = "document.querySelectorAll('button, input, textarea, select, a, #log').length + 2";
    for _ in 0..tab.finds(count).as_u64().unwrap() {
        tab.presses("Tab");
    }
}

/// The roles and elements in the browser's tree that need a name and have none.
fn nameless(tab: &Tab) -> Vec<String> {
    let tree = tab.call("Accessibility.getFullAXTree", json!({}));
    let nodes = tree["nodes"].as_array().expect("a tree");
    assert!(nodes.len() > 20, "the browser tells nothing: {tree}");
    let is_nameless = |node: &&Value| {
        let role = node["role"]["value"].as_str().unwrap_or_default();
        let name = node["name"]["value"].as_str().unwrap_or_default();
        node["ignored"] != true && NAMED.contains(&role) && name.trim().is_empty()
    };
    nodes.iter().filter(is_nameless).map(|node| format!("no name: {node}")).collect()
}

/// What is wrong with what is shown now.
fn faults_of(tab: &Tab) -> Vec<String> {
    tab.settles();
    let found = tab.finds(include_str!("audit.js"));
    let mut faults: Vec<String> = serde_json::from_value(found).unwrap();
    faults.extend(nameless(tab));
    faults
}

/// Looks at what is shown, in light and dark. The focus has been where Tab leads to.
#[track_caller]
fn is_for_everybody(tab: &Tab, (width, height): (u32, u32), what: &str) {
    for dark in [false, true] {
        tab.looks_like(width, height, dark);
        let faults = faults_of(tab);
        assert!(faults.is_empty(), "{what}, dark: {dark}: {faults:#?}");
    }
}

/// As [`is_for_everybody`], of what would close if Tab were pressed.
#[track_caller]
fn can_be_seen_by_everybody(tab: &Tab, what: &str) {
    tab.finds("window.reached = new Set(document.querySelectorAll('*')); 0");
    is_for_everybody(tab, WIDE, what);
}

const WIDE: (u32, u32) = (1000, 700);
const PHONE: (u32, u32) = (390, 720);

#[test]
fn the_audit_finds_what_is_wrong() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = chromium.open(&page(&server));
    alice.waits_for("document.activeElement.id == 'name'");
    goes_around(&alice);
    assert_eq!(faults_of(&alice), [""; 0]);
    for (wrong, expected) in [
        ("<p data-style='color: #888; background: #999'>pale</p>", "contrast"),
        ("<p data-style='opacity: 0.4'>pale</p>", "contrast"),
        ("<button aria-controls='name'></button>", "no name"),
        ("<p data-style='width: 0'>no place</p>", "no place for the text"),
        ("<img src='/icon-192.png'>", "an image without a text"),
        ("<button tabindex='-1'>no way</button>", "Tab does not lead there"),
        ("<p id='name'>twice</p>", "an id twice"),
        ("<p aria-describedby='nothing'>of nothing</p>", "aria-describedby of nothing"),
    ] {
        // The page's own policy lets nobody write a style into HTML.
        alice.finds(&format!(
            "hint.innerHTML = {wrong:?};
            hint.querySelectorAll('p').forEach((e) => e.style.cssText = e.dataset.style ?? ''); 0"
        ));
        if wrong.starts_with("<button aria") {
            goes_around(&alice);
        }
        let faults = faults_of(&alice);
        let is_found = faults.iter().any(|fault| fault.starts_with(expected));
        assert!(is_found, "{wrong}: {faults:?}");
    }
}

#[test]
fn everybody_can_come_in() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let _bob = Person::join(&server, "bob");
    let alice = chromium.open(&format!("{}#ops", page(&server)));
    alice.waits_for("document.querySelector('#bound').textContent != ''");
    goes_around(&alice);
    is_for_everybody(&alice, WIDE, "the question");
    alice.finds("document.querySelector('#name').focus()");
    alice.types("bob");
    alice.presses("Enter");
    alice.waits_for("document.querySelector('#error').textContent != ''");
    is_for_everybody(&alice, PHONE, "the refusal");
}

/// All kinds of lines, as a server could tell them.
fn is_told_all_kinds_of_lines(alice: &Tab) {
    let text = |en: &str| json!({ "en": en, "zh": "" });
    let at = 1_700_000_000;
    let mut emote = line(13, "bob", "waves");
    emote["type"] = "me".into();
    let old = json!({ "type": "say", "from": "bob", "text": "old `code` https://example.com/",
        "at": at, "id": 3 });
    for event in [
        line(12, "bob", "alice: see https://example.com/ and `code`"),
        emote,
        line(14, "eve", "```\n\tif x {\n```\n\tindented\nalice"),
        json!({ "type": "msg", "from": "bob", "text": "psst https://example.com/", "at": at }),
        json!({ "type": "sent", "to": "bob", "text": "what?", "at": at }),
        json!({ "type": "join", "room": "#lobby", "names": ["dave"], "count": 3, "at": at }),
        json!({ "type": "topic", "room": "#lobby", "text": "the deploy", "by": "bob" }),
        json!({ "type": "history", "room": "#lobby", "lines": [old] }),
        json!({ "type": "invite", "from": "bob", "room": "#ops" }),
        json!({ "type": "rooms", "rooms": [{ "room": "#ops", "count": 1, "topic": "x" }] }),
        json!({ "type": "help", "commands": [
            { "form": text("/who"), "purpose": text("who") },
            { "form": text("/me TEXT"), "purpose": text("does") },
        ] }),
        json!({ "type": "notice", "text": text("Do you mean it, alice?"), "answer": "yes" }),
        json!({ "type": "refused", "why": "pace", "text": text("Too fast.") }),
        json!({ "type": "rank", "room": "#lobby", "name": "bob", "rank": "operator",
            "text": text("bob is operator") }),
        json!({ "type": "welcome", "name": "alice", "room": "#quiet", "members": ["alice"],
            "count": 1, "history": [], "id": 1 }),
    ] {
        is_told(alice, &event);
    }
    alice.waits_for("document.title == '#quiet · chinwag'");
    is_told(alice, &line(15, "bob", "new"));
    is_told(alice, &line(16, "bob", "alice?"));
    alice.waits_for("document.title == '(2) #quiet · chinwag'");
    is_for_everybody_after_tab(alice, WIDE, "a room with nobody else");
    alice.presses("Alt+ArrowUp");
    alice.waits_for("document.title == '#lobby · chinwag'");
    alice.says("who hears this?");
    alice.waits_for("document.querySelector('#log .pending')");
}

/// As [`is_for_everybody`], with all that Tab leads to.
#[track_caller]
fn is_for_everybody_after_tab(tab: &Tab, size: (u32, u32), what: &str) {
    tab.looks_like(size.0, size.1, false);
    goes_around(tab);
    is_for_everybody(tab, size, what);
}

#[test]
fn everybody_can_read_and_use_what_is_in_a_room() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = alice_with_a_server_of_paper(&chromium, &server);
    is_told_all_kinds_of_lines(&alice);
    let kinds = ".mention, .private, .me, .old, .pending, .wrong, .asking, .unread, .day, mark,
        pre, code, .indented, .door, .rank, a[target]";
    for kind in kinds.split(',') {
        let kind = kind.trim();
        assert_eq!(
            alice.finds(&format!("document.querySelector({kind:?}) != null")),
            true,
            "{kind}"
        );
    }
    is_for_everybody_after_tab(&alice, WIDE, "a room");
    is_for_everybody_after_tab(&alice, PHONE, "a room on a phone");
    for (button, drawer) in [("#switch", "#rooms"), ("#toggle", "#people")] {
        alice.finds(&format!("document.querySelector({button:?}).click()"));
        alice.waits_for(&format!("document.querySelector({drawer:?}).checkVisibility()"));
        is_for_everybody_after_tab(&alice, PHONE, drawer);
        alice.presses("Escape");
    }
    // Names have many colours.
    for hue in (0..360).step_by(15) {
        alice.finds(&format!(
            "document.querySelectorAll('[style*=--hue]')
                .forEach(({{ style }}) => style.setProperty('--hue', {hue})); 0"
        ));
        can_be_seen_by_everybody(&alice, &format!("the hue {hue}"));
    }
}

#[test]
fn everybody_can_use_what_is_missing_or_not_sure_to_be_sent() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = alice_with_a_server_of_paper(&chromium, &server);
    alice.says("is this said?");
    is_cut_off(&alice);
    let text = json!({ "en": "too late", "zh": "" });
    is_told(&alice, &json!({ "type": "refused", "why": "token", "text": text }));
    is_told(
        &alice,
        &json!({
            "type": "welcome", "name": "alice", "token": "other", "room": "#lobby",
            "members": ["alice", "bob"], "count": 2, "history": [line(3, "bob", "later")], "id": 3,
        }),
    );
    alice.waits_for("document.querySelector('#log .resend')");
    alice.waits_for("document.querySelector('#log .gap button')");
    is_for_everybody_after_tab(&alice, WIDE, "what is missing");
    sent_by(&alice);
    alice.finds("document.querySelector('#log .gap button').focus()");
    alice.presses("Enter");
    assert_eq!(sent_by(&alice)[0]["type"], "history");
}

#[test]
fn everybody_can_use_what_opens() {
    let Some(chromium) = Chromium::start("en-US") else { return };
    let server = Server::start_with_listeners(&OPEN, &[]);
    let alice = tab_in_ops(&chromium, &server, "alice");
    let mut bob = person_in(&server, "bob", "#ops");
    bob.says("hello");
    alice.sees("hello");
    alice.waits_for("document.querySelector('.deeds[value=bob]')");
    for (dialog, button) in
        [("#account", "#self"), ("#settings", "#configure"), ("#search", "#seek")]
    {
        alice.finds(&format!("document.querySelector({button:?}).click()"));
        alice.waits_for(&format!("document.querySelector({dialog:?}).open"));
        if dialog == "#settings" {
            alice.waits_for("document.querySelector('#setting [name=topic]').checked");
        }
        if dialog == "#search" {
            alice.types("hello");
            alice.presses("Enter");
            alice.waits_for("document.querySelector('#found').textContent != ''");
        }
        is_for_everybody_after_tab(&alice, WIDE, dialog);
        alice.finds(&format!("document.querySelector({dialog:?}).close()"));
    }
    alice.finds("document.querySelector('#line').focus()");
    alice.types("/");
    alice.waits_for("!document.querySelector('#offers').hidden");
    can_be_seen_by_everybody(&alice, "the completions");
    alice.presses("Escape");
    alice.finds("document.querySelector('.deeds[value=bob]').focus()");
    alice.presses("Enter");
    alice.waits_for("document.activeElement.role == 'menuitem'");
    can_be_seen_by_everybody(&alice, "the menu");
    alice.finds("[...menu.children].find((e) => e.textContent.startsWith('Ban')).click()");
    alice.waits_for("document.activeElement.matches('#menu input')");
    can_be_seen_by_everybody(&alice, "the question why");
    alice.presses("Escape");
    alice.finds("document.querySelector('.deeds[value=bob]').parentElement.firstChild.click()");
    alice.waits_for("document.querySelector('#target').innerText.includes('Only bob')");
    is_for_everybody_after_tab(&alice, WIDE, "what only bob will see");
}
