//! What the README and the pages in `docs/` say of this repository is true: links lead somewhere,
//! files and flags that they name exist, and commands are made of what there is.

#![cfg(feature = "web")] // without it there is less than the pages tell of
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines of the README, which is to be read at one go.
const README_LINES_MAX: usize = 200;

/// The README in Chinese.
const README_ZH: &str = "README.zh.md";

/// Pages that tell of an example's flags, not only of the server's.
const EXAMPLES: &[(&str, &str)] = &[("performance.md", "load")];

/// Pages that tell of the flags of what the program does besides serving.
const TASKS: &[(&str, &[&str])] =
    &[("archive.md", &["export", "import", "forget"]), ("client.md", &["join"])];

/// A page: where it is, its text, and its blocks of code taken out of that.
struct Page {
    path: PathBuf,
    prose: String,
    headings: Vec<String>,
    commands: Vec<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Page {
    fn read(path: PathBuf) -> Page {
        let text = fs::read_to_string(&path).unwrap();
        let (mut prose, mut headings, mut commands) = (String::new(), Vec::new(), Vec::new());
        let mut block = None;
        for line in text.lines() {
            match (line.strip_prefix("```"), block) {
                (Some(language), None) => block = Some(language),
                (Some(_), Some(_)) => block = None,
                (None, Some("sh")) => commands.push(line.to_owned()),
                (None, Some(_)) => {}
                (None, None) => {
                    prose.extend([line, "\n"]);
                    headings.extend(line.starts_with('#').then(|| anchor(line)));
                }
            }
        }
        assert!(block.is_none(), "{}: a block of code does not end", path.display());
        Page { path, prose, headings, commands }
    }

    fn name(&self) -> &str {
        self.path.file_name().unwrap().to_str().unwrap()
    }

    /// What stands between backquotes in the prose.
    fn spans(&self) -> Vec<String> {
        let spans = self.prose.split('`').skip(1).step_by(2);
        spans.map(|span| span.replace('\n', " ")).collect()
    }

    /// Where its links lead that lead to no other site.
    fn links(&self) -> Vec<&str> {
        let targets = self.prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        targets.filter(|target| !target.contains("://")).collect()
    }
}

fn pages() -> Vec<Page> {
    let entries = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let docs = entries.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let pages = ["README.md", README_ZH, "CHANGELOG.md"]
        .map(|name| root().join(name))
        .into_iter()
        .chain(docs);
    pages.map(Page::read).collect()
}

/// The name by which links know a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// All files and folders of the repository, as paths from its root; folders end with a slash.
fn files() -> BTreeSet<String> {
    fn walk(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
            if path.is_dir() {
                if !path.ends_with("target") && !path.ends_with(".git") {
                    walk(&path, found);
                    found.insert(format!("{name}/"));
                }
            } else {
                found.insert(name);
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(root(), &mut found);
    found
}

/// The text of all Rust files in these folders.
fn sources(folders: &[&str]) -> String {
    let of_folders =
        |path: &String| path.ends_with(".rs") && folders.iter().any(|f| path.starts_with(f));
    let texts = files().into_iter().filter(of_folders);
    texts.map(|path| fs::read_to_string(root().join(path)).unwrap()).collect()
}

/// What the server says of itself.
fn help() -> String {
    help_of(&["--help"])
}

fn help_of(words: &[&str]) -> String {
    let help = Command::new(env!("CARGO_BIN_EXE_chinwag")).args(words).output().unwrap();
    String::from_utf8(help.stdout).unwrap()
}

/// The flags in a text, with their dashes.
fn flags(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.starts_with("--") && word.len() > 2).collect()
}

/// The flags of an example, which clap makes of the names of fields.
fn example_flags(name: &str) -> BTreeSet<String> {
    let source = sources(&[&format!("examples/{name}")]);
    let fields = source.lines().filter_map(|line| line.trim().split_once(": "));
    let names = fields.map(|(field, _)| field.trim_start_matches("pub(crate) "));
    names.map(|name| format!("--{}", name.replace('_', "-"))).chain(["--help".into()]).collect()
}

#[test]
fn the_readme_is_short() {
    let lines = fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(lines <= README_LINES_MAX, "the README has {lines} lines; move some to docs/");
}

#[test]
fn links_lead_somewhere() {
    for page in pages() {
        for link in page.links() {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.path.clone(),
                path => page.path.parent().unwrap().join(path),
            };
            assert!(target.exists(), "{}: there is no {link}", page.name());
            if !heading.is_empty() {
                let headings = Page::read(target).headings;
                let found = headings.iter().any(|found| found == heading);
                assert!(found, "{}: {link} leads to none of {headings:?}", page.name());
            }
        }
    }
}

#[test]
fn every_page_is_linked_in_the_readme() {
    let readme = Page::read(root().join("README.md"));
    let links: Vec<_> = readme.links().into_iter().map(|link| root().join(link)).collect();
    for page in pages() {
        let linked = page.name() == readme.name() || links.contains(&page.path);
        assert!(linked, "nothing leads from the README to {}", page.name());
    }
}

#[test]
fn files_that_are_named_exist() {
    let files = files();
    for page in pages() {
        for span in page.spans() {
            let is_path = span.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
            let ours = ["src/", "tests/", "docs/", "examples/", "benches/", "fuzz/", "packaging/"]
                .iter()
                .any(|folder| span.starts_with(folder));
            let is_file = span.ends_with(".rs") || span.starts_with(".ci") || ours;
            let is_ours = is_file || span.ends_with('/') && !span.starts_with("target");
            // What everybody fills in stands in capitals.
            let is_form = span.split(['/', '-']).any(|part| part.len() > 1 && is_capital(part));
            if is_path && is_ours && !is_form && !span.starts_with('/') {
                let within = format!("/{span}");
                let found = files.iter().any(|file| *file == span || file.ends_with(&within));
                assert!(found, "{}: there is no {span}", page.name());
            }
        }
    }
}

fn is_capital(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_uppercase())
}

#[test]
fn flags_that_are_named_exist_and_all_are_named() {
    let help = help();
    let (ours, mut named) = (flags(&help), BTreeSet::new());
    for page in pages() {
        let tasks = TASKS.iter().filter(|(name, _)| *name == page.name());
        let tasks = tasks.flat_map(|(_, tasks)| tasks.iter());
        let of_tasks: String = tasks.map(|task| help_of(&[task, "--help"])).collect();
        let example = EXAMPLES.iter().find(|(name, _)| *name == page.name());
        let others = example.map(|(_, example)| example_flags(example)).unwrap_or_default();
        let spans = page.spans();
        let spans: Vec<_> = spans.iter().filter(|span| span.starts_with('-')).collect();
        for flag in spans.iter().flat_map(|span| flags(span)) {
            let of_task = flags(&of_tasks).contains(flag);
            let exists = ours.contains(flag) || others.contains(flag) || of_task;
            assert!(exists, "{}: there is no {flag}", page.name());
            if ["README.md", "operations.md"].contains(&page.name()) {
                named.insert(flag.to_owned());
            }
        }
    }
    for flag in ours {
        let found = named.contains(flag) || ["--help", "--version"].contains(&flag);
        assert!(found, "neither the README nor docs/operations.md tells of {flag}");
    }
}

#[test]
fn variables_that_are_named_exist() {
    let known = help() + &help_of(&["join", "--help"]) + &sources(&["examples/", "tests/"]);
    for page in pages() {
        let words = page.prose.split(|c: char| !c.is_ascii_uppercase() && c != '_');
        let commands = page.commands.iter().flat_map(|line| line.split('='));
        for word in words.chain(commands).filter(|word| word.starts_with("CHINWAG_")) {
            assert!(known.contains(word), "{}: there is no {word}", page.name());
        }
    }
}

/// What is the same in any language is the same in both READMEs: commands, examples, figures, files
/// and what is in code.
#[test]
fn the_readme_in_chinese_says_the_same() {
    let text = |name| fs::read_to_string(root().join(name)).unwrap();
    let (english, chinese) = (text("README.md"), text(README_ZH));
    let blocks = |text: &str| -> Vec<String> {
        text.split("\n```").skip(1).step_by(2).map(str::to_owned).collect()
    };
    assert_eq!(blocks(&english), blocks(&chinese), "blocks of code");
    let levels = |text: &str| text.lines().filter(|line| line.starts_with("## ")).count();
    assert_eq!(levels(&english), levels(&chinese), "headings");
    let rows = |text: &str| text.lines().filter(|line| line.starts_with('|')).count();
    assert_eq!(rows(&english), rows(&chinese), "rows of tables");
    let [english, chinese] = ["README.md", README_ZH].map(|name| Page::read(root().join(name)));
    let only_there = ["README.md", README_ZH];
    let links = |page: &Page| -> BTreeSet<String> {
        let links = page.links().into_iter().filter(|link| !only_there.contains(link));
        links.map(str::to_owned).collect()
    };
    assert_eq!(links(&english), links(&chinese), "links");
    let spans = |page: &Page| -> BTreeSet<String> {
        page.spans().into_iter().filter(|span| span != "--lang zh").collect()
    };
    assert_eq!(spans(&english), spans(&chinese), "what stands in backquotes");
    assert!(english.links().contains(&README_ZH) && chinese.links().contains(&"README.md"));
}

#[test]
fn the_defaults_in_the_readme_are_the_programs() {
    for name in ["README.md", README_ZH] {
        check_defaults(&fs::read_to_string(root().join(name)).unwrap());
    }
}

fn check_defaults(readme: &str) {
    let help = help();
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `--"));
    let mut seen = 0;
    for row in rows {
        let mut cells = row.split(" | ");
        let flag = cells.next().unwrap().split([' ', '`']).next().unwrap();
        let told = cells.next().unwrap();
        let of_flag = help.split(&format!("      --{flag} ")).nth(1).unwrap_or_default();
        let default = of_flag.split("[default: ").nth(1).and_then(|rest| rest.split(']').next());
        assert_eq!(default, Some(told), "the default of --{flag}");
        seen += 1;
    }
    assert!(seen > 5, "the README has a table of limits");
}

#[test]
fn commands_are_made_of_what_there_is() {
    let help = help();
    for page in pages() {
        let spans = page.spans();
        let in_prose = spans.iter().filter(|span| span.starts_with("cargo "));
        for line in page.commands.iter().chain(in_prose) {
            for command in line.split(" #").next().unwrap().split(" | ") {
                let checked = check(command.trim(), &help);
                assert!(checked.is_ok(), "{}: {line:?}: {checked:?}", page.name());
            }
        }
    }
}

/// Says what is wrong with a command, if anything is.
fn check(command: &str, help: &str) -> Result<(), String> {
    let mut words = command.split(' ').peekable();
    while words.next_if(|word| word.starts_with("CHINWAG_")).is_some() {}
    match words.next().unwrap() {
        "cargo" => check_cargo(&words.collect::<Vec<_>>(), help),
        "chinwag" => check_arguments(&words.collect::<Vec<_>>(), help),
        // The help says the same.
        "nc" => exists(help.contains(command), command),
        "cd" => exists(words.all(|folder| root().join(folder).is_dir()), command),
        "printf" | "irssi" => Ok(()),
        program => exists(root().join(program).is_file(), program),
    }
}

fn exists(exists: bool, what: &str) -> Result<(), String> {
    exists.then_some(()).ok_or_else(|| format!("there is no {what}"))
}

/// What stands behind the name of the program: its own flags, or a task and the flags of that.
fn check_arguments(arguments: &[&str], help: &str) -> Result<(), String> {
    let task = arguments.first().filter(|word| !word.starts_with('-'));
    let of_task = task.map(|task| help_of(&[task, "--help"])).unwrap_or_default();
    let all = format!("{help}{of_task}");
    let known = flags(&all);
    let unknown = arguments.iter().flat_map(|word| flags(word)).find(|flag| !known.contains(flag));
    unknown.map_or(Ok(()), |flag| exists(false, flag))
}

fn check_cargo(words: &[&str], help: &str) -> Result<(), String> {
    let is_file = |folder, name| {
        let path = format!("{folder}/{name}.rs");
        exists(is_capital(name) || root().join(&path).is_file(), &path)
    };
    let mut parts = words.splitn(2, |word| *word == "--");
    let (options, arguments) = (parts.next().unwrap(), parts.next().unwrap_or_default());
    let arguments_flags = arguments.iter().flat_map(|word| flags(word)).collect::<Vec<_>>();
    let known_flags = |known: &BTreeSet<String>| {
        let unknown = arguments_flags.iter().find(|flag| !known.contains(**flag));
        unknown.map_or(Ok(()), |flag| exists(false, flag))
    };
    let files = arguments.iter().filter(|word| word.contains('/') && !word.contains("://"));
    for file in files {
        exists(root().join(file).exists(), file)?;
    }
    match options {
        ["test" | "bench" | "build" | "run"]
        | ["build" | "run", "--release"]
        | ["install", "cargo-fuzz" | "--path=."] => check_arguments(arguments, help),
        ["run", "--release", "--example", name]
        | ["run", "--profile", "simulate", "--example", name] => {
            is_file("examples", name)?;
            known_flags(&example_flags(name))
        }
        ["test", "--test", name] | ["test", "--profile", "simulate", "--test", name] => {
            is_file("tests", name)
        }
        ["bench", "--bench", name] => {
            is_file("benches", name)?;
            known_flags(&["--quick".to_owned()].into())?;
            let source = sources(&[&format!("benches/{name}.rs")]);
            let mut filters = arguments.iter().filter(|word| !word.starts_with('-'));
            exists(filters.all(|filter| source.contains(filter)), "such a benchmark")
        }
        ["fuzz", "run", "-s", "none", target, ..] => is_file("fuzz/fuzz_targets", target),
        _ => Err(format!("this test does not know cargo {}", words.join(" "))),
    }
}

#[test]
fn the_glossary_knows_the_names_of_the_code() {
    let glossary = fs::read_to_string(root().join("docs/glossary.md")).unwrap();
    let source = sources(&["src/", "tests/simulation"]);
    let words = source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let words: BTreeSet<_> = words.collect();
    let rows = glossary.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let mut seen = 0;
    for row in rows {
        let names = row.split(" | ").last().unwrap();
        for name in names.split('`').skip(1).step_by(2) {
            assert!(words.contains(name), "docs/glossary.md: nothing is called {name} any more");
            seen += 1;
        }
    }
    assert!(seen > 50, "the glossary has tables");
}
