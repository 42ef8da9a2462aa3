//! Files depend one way: no circle among those of a crate, and in the Queen no import from a room to
//! one that stands above it. Read off the `use` lines and the paths in the code, without the tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The rooms of `queen/src`, each importing only what stands before it.
const ROOMS: &[&str] =
    &["crash", "clock", "lru", "access", "history", "core", "work", "kinds", "store", "hive", "drones"];

/// Which file imports which, by their modules' paths without the crate.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The files below a folder, by their modules' paths; `lib` and `main` are the empty path.
fn files(folder: &Path, prefix: &[&str], found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // Programs in `bin` are crates of their own.
        if ["tests", "testing", "simulation", "bin"].contains(&&*name) {
            continue;
        }
        if path.is_dir() {
            files(&path, &[prefix, &[&name]].concat(), found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let root = prefix.is_empty() && ["lib", "main"].contains(&&*name);
            let module = if root { String::new() } else { [prefix, &[&name]].concat().join("::") };
            // Of the two roots the library's imports are the ones that count.
            if name != "main" || !found.contains_key(&module) {
                found.insert(module, code(&fs::read_to_string(&path).unwrap()));
            }
        }
    }
}

/// A file without comments, and without the tests at its end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths that a tree of a `use` stands for.
fn expand(tree: &str, prefix: &str, paths: &mut Vec<String>) {
    let Some((before, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        let path = if path == "self" { prefix.trim_end_matches("::").to_owned() } else { format!("{prefix}{path}") };
        paths.push(path);
        return;
    };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let prefix = format!("{prefix}{}", before.trim());
    let (mut depth, mut part) = (0, String::new());
    for character in inner.chars().chain([',']) {
        match character {
            ',' if depth == 0 => {
                if !part.trim().is_empty() {
                    expand(part.trim(), &prefix, paths);
                }
                part.clear();
                continue;
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        part.push(character);
    }
}

/// The paths that a file names: all of its `use`s, and what begins with `crate`, `super` or `self`.
fn named(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("use ") {
        let is_item = rest[..at].chars().next_back().is_none_or(|before| before == '\n' || before == ' ');
        rest = &rest[at + 4..];
        if is_item && let Some((tree, _)) = rest.split_once(';') {
            expand(&tree.replace('\n', " "), "", &mut paths);
        }
    }
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let path: String = code[at..].chars().take_while(|it| it.is_alphanumeric() || "_:".contains(*it)).collect();
            // A tree of a `use` goes on behind it, and is expanded above.
            if !path.ends_with(':') {
                paths.push(path);
            }
        }
    }
    paths
}

/// The file that a path named in `module` leads to.
fn target(module: &str, path: &str, files: &BTreeMap<String, String>) -> Option<String> {
    let mut base: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
    let mut parts: Vec<&str> = path.split("::").map(str::trim).collect();
    match *parts.first()? {
        "crate" => {
            base.clear();
            parts.remove(0);
        }
        "super" => {
            while parts.first() == Some(&"super") {
                base.pop();
                parts.remove(0);
            }
        }
        "self" => drop(parts.remove(0)),
        first => {
            let child = [&base[..], &[first]].concat().join("::");
            files.contains_key(&child).then_some(())?;
        }
    }
    let whole = [&base[..], &parts[..]].concat();
    (0..=whole.len()).rev().map(|length| whole[..length].join("::")).find(|path| files.contains_key(path))
}

fn imports(source: &Path) -> Imports {
    let mut found = BTreeMap::new();
    files(source, &[], &mut found);
    let of = |(module, code): (&String, &String)| {
        let targets = named(code).into_iter().filter_map(|path| target(module, &path, &found));
        (module.clone(), targets.filter(|target| target != module).collect())
    };
    found.iter().map(of).collect()
}

/// Files that import each other, if there are any: what is left when files that import nothing of the
/// rest, or that nothing of the rest imports, are taken away again and again.
fn circle(imports: &Imports) -> BTreeSet<String> {
    let mut left: BTreeSet<String> = imports.keys().cloned().collect();
    loop {
        let imported: BTreeSet<&String> = left.iter().flat_map(|file| &imports[file]).collect();
        let is_in_between =
            |file: &&String| imports[*file].iter().any(|other| left.contains(other)) && imported.contains(file);
        let rest: BTreeSet<String> = left.iter().filter(is_in_between).cloned().collect();
        if rest.len() == left.len() {
            return rest;
        }
        left = rest;
    }
}

#[test]
fn no_files_import_each_other() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for source in ["wire/src", "drone/src", "web/src", "web/src/bin/hive", "queen/src"] {
        let circle = circle(&imports(&workspace.join(source)));
        assert!(circle.is_empty(), "in {source} these files import each other, or lie between such: {circle:#?}");
    }
}

#[test]
fn each_room_imports_only_what_stands_before_it() {
    let place =
        |module: &str| ROOMS.iter().position(|room| module.split("::").next() == Some(room)).unwrap_or(ROOMS.len());
    let imports = imports(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let upward = imports.iter().flat_map(|(file, targets)| targets.iter().map(move |target| (file, target)));
    let upward: Vec<_> = upward.filter(|(file, target)| place(target) > place(file)).collect();
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn a_circle_is_found_through_folders_and_braces() {
    let files: BTreeMap<String, String> = [
        ("", "mod a; mod b; pub use a::A;"),
        ("a", "use crate::b::{self, c::{C, D}};"),
        ("b", "mod c;"),
        ("b::c", "fn f() -> super::super::a::A {}"),
    ]
    .map(|(module, code)| (module.to_owned(), code.to_owned()))
    .into();
    let of = |(module, code): (&String, &String)| {
        let targets = named(code).into_iter().filter_map(|path| target(module, &path, &files));
        (module.clone(), targets.filter(|target| target != module).collect::<BTreeSet<_>>())
    };
    let imports: Imports = files.iter().map(of).collect();
    assert_eq!(circle(&imports), ["a", "b::c"].map(str::to_owned).into());
}
