//! A real browser, driven over Chromium's own DevTools protocol: a process ([`Chromium`]) and its
//! tabs ([`Tab`]), each as a person of its own, with nothing remembered from the others.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::common::PATIENCE;

/// By what names the browser is known on the systems that have it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// There is one browser at a time: each has many processes, and takes hundreds of megabytes.
static ALONE: Mutex<()> = Mutex::new(());

/// A headless browser.
pub(crate) struct Chromium {
    process: Child,
    profile: PathBuf,
    wire: Arc<Mutex<Wire>>,
    _alone: MutexGuard<'static, ()>,
}

/// The connection to it.
struct Wire {
    socket: WebSocket<TcpStream>,
    last_id: u64,
}

/// What somebody has before them.
pub(crate) struct Tab {
    wire: Arc<Mutex<Wire>>,
    session: String,
}

impl Chromium {
    /// Starts one whose language is `lang`; `None` if this machine has none, which only a machine
    /// that runs all tests must have.
    pub(crate) fn start(lang: &str) -> Option<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        // Whoever failed before has dropped theirs.
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let profile = format!("chinwag-chromium-{}-{count}", std::process::id());
        let profile = env::temp_dir().join(profile);
        let arguments = [
            "--headless=new".to_owned(),
            "--remote-debugging-port=0".to_owned(),
            format!("--user-data-dir={}", profile.display()),
            format!("--lang={lang}"),
            format!("--accept-lang={lang}"),
            // What is shown is ours, and a container has no sandbox to give.
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-background-networking".to_owned(),
            "--no-first-run".to_owned(),
            // So that servers of tests may have certificates that nobody vouches for.
            "--ignore-certificate-errors".to_owned(),
        ];
        let spawn = |name: &&str| {
            let mut command = Command::new(name);
            command.args(&arguments).env("LANGUAGE", lang);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            command.spawn().ok()
        };
        let Some(mut process) = NAMES.iter().find_map(spawn) else {
            let must_be = cfg!(target_os = "linux") && env::var_os("CI").is_some();
            assert!(!must_be, "there is no Chromium; see .ci/run");
            eprintln!("skipped: there is no Chromium on this machine");
            return None;
        };
        let mut said = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = said.find_map(|line| {
            Some(line.unwrap().strip_prefix("DevTools listening on ")?.to_owned())
        });
        let address = address.expect("Chromium tells where it listens");
        // It would stop if nobody read what it says.
        std::thread::spawn(move || said.for_each(drop));
        let authority = address.split('/').nth(2).unwrap();
        let stream = TcpStream::connect(authority).unwrap();
        stream.set_read_timeout(Some(PATIENCE * 3)).unwrap();
        let (socket, _) = tungstenite::client(address, stream).unwrap();
        let wire = Arc::new(Mutex::new(Wire { socket, last_id: 0 }));
        Some(Self { process, profile, wire, _alone: alone })
    }

    /// Opens `url` as somebody who was never there before.
    pub(crate) fn open(&self, url: &str) -> Tab {
        let mut wire = self.wire.lock().unwrap();
        let context = wire.call("Target.createBrowserContext", &json!({}), None);
        let target =
            json!({ "url": "about:blank", "browserContextId": context["browserContextId"] });
        let target = wire.call("Target.createTarget", &target, None);
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        let session = wire.call("Target.attachToTarget", &target, None);
        let session = session["sessionId"].as_str().unwrap().to_owned();
        drop(wire);
        let tab = Tab { wire: Arc::clone(&self.wire), session };
        tab.call("Page.enable", json!({}));
        tab.has_focus(true);
        tab.goes_to(url);
        tab
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}

impl Wire {
    fn call(&mut self, method: &str, params: &Value, session: Option<&str>) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut call = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            call["sessionId"] = session.into();
        }
        self.socket.send(Message::text(call.to_string())).unwrap();
        loop {
            let message = self.socket.read().unwrap_or_else(|error| panic!("{method}: {error}"));
            let Ok(text) = message.to_text() else { continue };
            let Ok(mut answer) = serde_json::from_str::<Value>(text) else { continue };
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].take();
            }
        }
    }
}

impl Tab {
    #[allow(clippy::needless_pass_by_value, reason = "callers make it on the spot")]
    pub(crate) fn call(&self, method: &str, params: Value) -> Value {
        self.wire.lock().unwrap().call(method, &params, Some(&self.session))
    }

    /// Loads a page, and waits until it is there.
    pub(crate) fn goes_to(&self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
        // A page may take something out of what follows #.
        let url = url.split('#').next().unwrap_or_default();
        self.waits_for(&format!(
            "location.href.startsWith({url:?}) && document.readyState == 'complete'"
        ));
    }

    /// The value of an expression of JavaScript; that of its promise, if it is one.
    #[track_caller]
    pub(crate) fn finds(&self, expression: &str) -> Value {
        let params = json!({
            "expression": expression,
            "awaitPromise": true,
            "returnByValue": true,
            "userGesture": true,
        });
        let mut answer = self.call("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer:#}");
        answer["result"]["value"].take()
    }

    /// Waits until an expression of JavaScript is true.
    #[track_caller]
    pub(crate) fn waits_for(&self, expression: &str) {
        let limit = PATIENCE.as_millis();
        let waited = format!(
            "new Promise((done) => {{
                const end = performance.now() + {limit};
                const look = () => {{
                    let is = false;
                    try {{ is = Boolean({expression}); }} catch {{}}
                    if (is || performance.now() > end) done(is);
                    else setTimeout(look, 10);
                }};
                look();
            }})"
        );
        if self.finds(&waited) != true {
            let text = self.finds("document.body.innerText");
            panic!("{expression} did not become true. The page: {text}");
        }
    }

    /// Waits until the log has a line with this text.
    #[track_caller]
    pub(crate) fn sees(&self, text: &str) {
        self.waits_for(&format!("document.querySelector('#log').innerText.includes({text:?})"));
    }

    /// Types into what has the focus.
    pub(crate) fn types(&self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Presses a key by its name, such as `Enter`, `Alt+ArrowUp` or `Shift+Enter`.
    pub(crate) fn presses(&self, key: &str) {
        let (key, modifiers) = match key.split_once('+') {
            Some(("Alt", key)) => (key, 1),
            Some(("Shift", key)) => (key, 8),
            _ => (key, 0),
        };
        let code = match key {
            "Enter" => 13,
            "Tab" => 9,
            "Escape" => 27,
            "ArrowUp" => 38,
            "ArrowDown" => 40,
            _ => 0,
        };
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({
                "type": kind,
                "key": key,
                "modifiers": modifiers,
                "code": key,
                "windowsVirtualKeyCode": code,
                "text": if kind == "keyDown" { text } else { "" },
            });
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Says a line, with the keyboard alone.
    pub(crate) fn says(&self, text: &str) {
        self.waits_for("document.activeElement.id == 'line'");
        self.types(text);
        self.presses("Enter");
    }

    /// Gives a name at the question, with the keyboard alone.
    #[track_caller]
    pub(crate) fn joins_as(&self, name: &str) {
        self.waits_for("document.activeElement.id == 'name'");
        self.types(name);
        self.presses("Enter");
        self.waits_for("!document.querySelector('#room').hidden");
    }

    /// Whether whoever sits there looks at it.
    pub(crate) fn has_focus(&self, has: bool) {
        self.call("Emulation.setFocusEmulationEnabled", json!({ "enabled": has }));
    }

    /// The size of the window in CSS pixels, and whether the system is set to dark.
    pub(crate) fn looks_like(&self, width: u32, height: u32, dark: bool) {
        let metrics = json!({
            "width": width,
            "height": height,
            "deviceScaleFactor": 1,
            "mobile": width < 600,
        });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", media);
    }

    /// What is to be seen, as a PNG.
    pub(crate) fn screenshot(&self) -> Vec<u8> {
        self.captures(json!({ "format": "png" }))
    }

    /// What is to be seen at `place`, a rectangle in CSS pixels, as a PNG.
    pub(crate) fn screenshot_of(&self, place: &Value) -> Vec<u8> {
        self.captures(json!({ "format": "png", "clip": place }))
    }

    /// Waits until what has changed is painted and nothing moves: a button goes over from one
    /// colour to another.
    pub(crate) fn settles(&self) {
        let painted =
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))";
        self.finds(painted);
        self.waits_for("document.getAnimations().every((it) => it.playState == 'finished')");
        self.finds(painted);
    }

    fn captures(&self, params: Value) -> Vec<u8> {
        self.settles();
        let shot = self.call("Page.captureScreenshot", params);
        from_base64(shot["data"].as_str().unwrap())
    }
}

/// Base64 is short enough not to need a crate.
fn from_base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'=').map(value).collect();
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0_u32, |bits, digit| bits << 6 | u32::from(*digit));
        let bits = bits << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}
