//! The house rules of the whole workspace, as far as no lint knows them.
#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

use std::fs;
use std::path::{Path, PathBuf};

/// Folders of product code and of its documents.
const CODE: [&str; 4] = ["wire", "drone", "web", "queen"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every file with this extension under `folder`, with its path from the root and its text.
fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        // Other people's code, and what was built.
        if ["target", "corpus", "artifacts"].iter().any(|name| folder.ends_with(name)) {
            continue;
        }
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|its| its == extension) => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    let name = |path: &PathBuf| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    // A file may go away while others work in the tree.
    found.iter().filter_map(|path| Some((name(path), fs::read_to_string(path).ok()?))).collect()
}

fn code() -> impl Iterator<Item = (String, String)> {
    CODE.into_iter().flat_map(|folder| files(folder, "rs"))
}

/// Without comments: a rule is about what code does, not about what it says.
fn statements(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default().trim()))
}

/// Whether `word` stands in `line` with no letter, digit or underscore beside it.
fn mentions(line: &str, word: &str) -> bool {
    let part = |char: Option<char>| char.is_some_and(|char| char.is_alphanumeric() || char == '_');
    line.match_indices(word)
        .any(|(at, _)| !part(line[..at].chars().next_back()) && !part(line[at + word.len()..].chars().next()))
}

/// Fails with every place at which a rule is broken.
fn assert_none(rule: &str, broken: impl IntoIterator<Item = String>) {
    let broken: Vec<String> = broken.into_iter().collect();
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

/// Places in `files` whose statements mention one of `words`.
fn places(files: impl IntoIterator<Item = (String, String)>, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in files {
        for (at, line) in statements(&text) {
            let words = words.iter().filter(|word| mentions(line, word));
            found.extend(words.map(|word| format!("{name}:{at} mentions {word}")));
        }
    }
    found
}

#[test]
fn the_core_is_pure() {
    let impure = [
        "tokio",
        "std::net",
        "std::fs",
        "std::thread",
        "std::io",
        "std::env",
        "Instant",
        "SystemTime",
        "HashMap",
        "HashSet",
        "rand",
        "getrandom",
    ];
    let core = files("queen/src/core", "rs")
        .into_iter()
        .chain(files("queen/src", "rs").into_iter().filter(|(name, _)| name == "queen/src/core.rs"));
    assert_none("the core takes events and time, and returns effects", places(core, &impure));
}

#[test]
fn only_kernels_are_unsafe() {
    // A file system that a test puts under SQLite speaks C with it.
    let is_allowed = |name: &str| name.starts_with("drone/src/kernel") || name == "queen/tests/durability/vfs.rs";
    let elsewhere = code().filter(|(name, _)| !is_allowed(name));
    // Put together, so that this file does not find itself.
    let word = concat!("un", "safe");
    assert_none(
        "only the drone's kernels, and one test's file system, may do what the compiler cannot check",
        places(elsewhere, &[word]),
    );
    let open = CODE.into_iter().filter_map(|folder| {
        let text = fs::read_to_string(root().join(folder).join("src/lib.rs")).ok()?;
        let level = if folder == "drone" { "deny" } else { "forbid" };
        let attribute = format!("#![{level}(unsafe_code)]");
        (!text.contains(&attribute)).then(|| format!("{folder}/src/lib.rs lacks {attribute}"))
    });
    assert_none("each library says that it is safe", open);
}

/// Whether nothing but `use` stands in a file. One that declares modules is their head.
fn is_hollow(text: &str) -> bool {
    let code: String = statements(text).map(|(_, line)| format!("{line} ")).collect();
    let mut items = code.split(';').map(str::trim).filter(|item| !item.is_empty());
    items.all(|item| item.starts_with("use ") || item.starts_with("pub") && item.contains(" use "))
}

#[test]
fn every_file_has_content_of_its_own() {
    let hollow = code().filter(|(_, text)| is_hollow(text)).map(|(name, _)| name);
    assert_none("a file that only passes on other files' items is one too many", hollow);
}

#[test]
fn the_rules_bite() {
    assert!(mentions("use tokio::net;", "tokio") && mentions("Instant::now()", "Instant"));
    assert!(!mentions("let operand = 1;", "rand") && !mentions("instance", "Instant"));
    assert!(is_hollow("//! Head.\npub use a::{\n    B,\n    C,\n};\npub(crate) use d::E;\n"));
    assert!(!is_hollow("mod a;\npub use a::B;") && !is_hollow("use a::B;\nfn c() {}"));
    assert_eq!(places([("a.rs".into(), "// rand\nrand();".into())], &["rand"]), ["a.rs:2 mentions rand"]);
}

#[test]
fn bincode_stays_in_wire() {
    let elsewhere = code().filter(|(name, _)| !name.starts_with("wire/"));
    let manifests = CODE.into_iter().flat_map(|folder| files(folder, "toml"));
    let manifests = manifests.filter(|(name, _)| name != "wire/Cargo.toml");
    assert_none("only wire knows how messages become bytes", places(elsewhere.chain(manifests), &["bincode"]));
}

#[test]
fn documents_describe_what_is_there() {
    let unfinished = files("docs", "md").into_iter().flat_map(|(name, text)| {
        let marked = |line: &str| ["todo!", "TODO", "FIXME"].iter().any(|mark| line.contains(mark));
        let lines = text.lines().enumerate().filter(|(_, line)| marked(line));
        lines.map(|(at, _)| format!("{name}:{}", at + 1)).collect::<Vec<_>>()
    });
    assert_none("nothing is left to be written", unfinished);
}
