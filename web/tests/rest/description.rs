//! The description of the API for programs: that it says what is served, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use axum::body::Body;
use serde_json::Value;
use web::Needs;

use crate::support::*;

/// Where a copy of it lies, for who reads the tree.
const COPY: &str = "../docs/openapi.json";
const HOW: &str = "write it anew: HIVE_WRITE_OPENAPI=1 cargo test -p web --test rest description";

async fn described() -> Value {
    let (_, router) = world();
    get(&router, "/openapi.json").await.json()
}

/// What is for people, and has no place in it: pages, the way to them, and their files.
fn is_for_people(path: &str) -> bool {
    path == "/" || path.starts_with("/admin") || path.starts_with("/static/") || ["/login", "/logout"].contains(&path)
}

/// The operations of a description: method, path, and what is said of it.
fn operations(described: &Value) -> Vec<(String, &str, &Value)> {
    let paths = described["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (method.to_uppercase(), path.as_str(), operation))
    });
    operations.collect()
}

#[tokio::test]
async fn the_copy_in_the_tree_is_what_is_served() {
    let copy = Path::new(env!("CARGO_MANIFEST_DIR")).join(COPY);
    let served = serde_json::to_string_pretty(&described().await).unwrap() + "\n";
    if std::env::var_os("HIVE_WRITE_OPENAPI").is_some() {
        std::fs::write(&copy, &served).unwrap();
    }
    let kept = std::fs::read_to_string(&copy).unwrap_or_default();
    assert!(kept == served, "docs/openapi.json is not what is served; {HOW}");
}

#[tokio::test]
async fn every_route_is_an_operation_and_the_reverse() {
    let routes = web::routes().into_iter().filter(|route| !is_for_people(route.path));
    let routes: BTreeSet<_> = routes.map(|route| format!("{} {}", route.method, route.path)).collect();
    let described = described().await;
    let operations = operations(&described).into_iter().map(|(method, path, _)| format!("{method} {path}"));
    assert_eq!(operations.collect::<BTreeSet<_>>(), routes);
}

#[tokio::test]
async fn who_may_ask_is_said_of_each() {
    let described = described().await;
    for (method, path, operation) in operations(&described) {
        let route = web::routes().into_iter().find(|route| route.method == *method && route.path == path).unwrap();
        let scopes: BTreeSet<_> =
            operation["security"].as_array().unwrap().iter().map(|one| one["bearer"][0].as_str().unwrap()).collect();
        let scopes: Vec<_> = scopes.into_iter().collect();
        let expected: &[&str] = match route.needs {
            Needs::Nothing => &[],
            Needs::Read => &["read"],
            Needs::SeeTasks => &["read", "submit"],
            Needs::Submit | Needs::ChangeTask => &["submit"],
            Needs::Control => &["control"],
            Needs::Admin => &["admin"],
        };
        assert_eq!(scopes, expected, "{method} {path}");
        let says_scope = operation["description"].as_str().unwrap_or_default().contains("Needs the scope");
        assert_eq!(says_scope, route.needs != Needs::Nothing, "{method} {path}");
    }
}

/// The names that a refusal says there are.
fn names(answer: &Answer) -> BTreeSet<String> {
    let problem = answer.problem(422);
    let (_, names) = problem["detail"].as_str().unwrap().rsplit_once("there are: ").unwrap();
    names.split(", ").map(str::to_owned).collect()
}

/// The names of an operation's parameters in this place.
fn parameters(operation: &Value, place: &str) -> BTreeSet<String> {
    let parameters = operation["parameters"].as_array().unwrap().iter().filter(|parameter| parameter["in"] == place);
    parameters.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_query_parameters_are_those_that_are_known() {
    let (_, router) = world();
    assert_eq!(post_json(&router, serde_json::json!({ "input": "x" })).await.status, 201);
    let described = described().await;
    // Events have no end, and no query.
    for (method, path, operation) in operations(&described).into_iter().filter(|(_, path, _)| *path != "/events") {
        let asked = format!("{}?colour=red", path.replace("{id}", "1").replace("{name}", "main"));
        let answer = send(&router, request(&method, &asked, &[], Body::empty())).await;
        let takes = parameters(operation, "query");
        match (answer.status.as_u16(), path) {
            (422, "/tasks") if method == "POST" => {
                let known = names(&answer);
                let schema = &described["components"]["schemas"]["NewTask"]["properties"];
                let members: BTreeSet<String> = schema.as_object().unwrap().keys().cloned().collect();
                let only_json = ["input", "inputs", "space"].map(str::to_owned);
                let is_flat = |name: &&String| web::options::FLAT.iter().any(|(flat, _)| flat == name);
                assert_eq!(members, known.iter().filter(|name| !is_flat(name)).cloned().chain(only_json).collect());
                let secret = |name: &&String| ["key", "key_hex", "salt", "salt_hex"].contains(&name.as_str());
                assert_eq!(takes, known.iter().filter(|name| !secret(name)).cloned().collect());
            }
            (422, path) if method == "GET" || path == "/tasks/bulk" => assert_eq!(takes, names(&answer), "{path}"),
            _ => assert!(takes.is_empty(), "{method} {path} is {}", answer.status),
        }
    }
}

#[tokio::test]
async fn it_is_kept_until_it_changes() {
    let (_, router) = world();
    let answer = get(&router, "/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert!(answer.text().starts_with("{\"openapi\":\"3.1.0\",") && answer.text().ends_with("}\n"));
    let tag = answer.header("etag").to_owned();
    let again = get_with(&router, "/openapi.json", &[("if-none-match", &tag)]).await;
    assert_eq!((again.status.as_u16(), again.body.len(), again.header("etag")), (304, 0, &*tag));
    assert_eq!(get_with(&router, "/openapi.json", &[("if-none-match", "W/\"x\"")]).await.status, 200);
}

#[tokio::test]
async fn what_it_refers_to_is_there() {
    let described = described().await;
    let mut todo = vec![&described];
    let mut used = BTreeSet::new();
    while let Some(value) = todo.pop() {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(described.pointer(pointer).is_some(), "{reference}");
                    used.insert(pointer.to_owned());
                }
                todo.extend(members.values());
            }
            Value::Array(items) => todo.extend(items),
            _ => {}
        }
    }
    // The lines of a body are described beside it.
    let beside =
        ["Result", "DetachedResult", "DigestNotFound", "ResultsEnd"].map(|name| format!("/components/schemas/{name}"));
    used.extend(beside);
    for kind in ["schemas", "responses"] {
        for name in described["components"][kind].as_object().unwrap().keys() {
            let pointer = format!("/components/{kind}/{name}");
            assert!(used.contains(&pointer), "nothing refers to {pointer}");
        }
    }
}

mod page {
    //! docs/API.md, which says the same to people.

    use super::*;

    const PAGE: &str = include_str!("../../../docs/API.md");

    /// The cells of the table rows between these lines, the heading's not.
    fn rows(from: &str) -> Vec<Vec<String>> {
        let (_, section) = PAGE.split_once(from).unwrap_or_else(|| panic!("docs/API.md has no {from:?}"));
        let table = section.lines().skip_while(|line| !line.starts_with('|')).skip(2);
        let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        table.take_while(|line| line.starts_with('|')).map(cells).collect()
    }

    /// What stands between backticks.
    fn code(text: &str) -> impl Iterator<Item = String> {
        text.split('`').skip(1).step_by(2).map(str::to_owned)
    }

    #[tokio::test]
    async fn its_requests_are_the_operations() {
        let documented: BTreeSet<_> = rows("# The REST API").iter().flat_map(|row| code(&row[0])).collect();
        let described = described().await;
        let operations = operations(&described).into_iter().map(|(method, path, _)| format!("{method} {path}"));
        assert_eq!(documented, operations.collect());
    }

    #[tokio::test]
    async fn its_options_are_those_of_a_task() {
        let tables = [rows("## Creating a task"), rows("## A search")].concat();
        let documented: BTreeSet<_> = tables.iter().flat_map(|row| code(&row[0])).collect();
        let described = described().await;
        let members = described["components"]["schemas"]["NewTask"]["properties"].as_object().unwrap().keys().cloned();
        let options = members.filter(|name| !["input", "inputs"].contains(&name.as_str()));
        assert_eq!(documented, options.collect());
    }

    #[tokio::test]
    async fn its_bodies_and_formats_are_described() {
        let described = described().await;
        let media_types = |content: &Value| content.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        let create = &described["paths"]["/tasks"]["post"]["requestBody"]["content"];
        let bodies = PAGE.split_once("| `Content-Type` | inputs |").unwrap().1;
        let bodies = bodies.lines().skip(2).take_while(|line| line.starts_with('|'));
        let documented =
            bodies.filter_map(|line| code(line.split(" | ").next().unwrap()).next()).collect::<BTreeSet<_>>();
        assert_eq!(documented, media_types(create));
        let results = &described["paths"]["/tasks/{id}/results"]["get"]["responses"]["200"]["content"];
        let documented: BTreeSet<_> = rows("## Results").iter().flat_map(|row| code(&row[1])).collect();
        assert_eq!(documented, media_types(results));
        let formats = &described["paths"]["/tasks/{id}/results"]["get"]["parameters"];
        let format = formats.as_array().unwrap().iter().find(|parameter| parameter["name"] == "format").unwrap();
        let documented: Vec<_> = rows("## Results").iter().filter_map(|row| code(&row[0]).next()).collect();
        assert_eq!(serde_json::json!(documented), format["schema"]["enum"]);
    }

    #[tokio::test]
    async fn its_parameters_and_headers_are_named() {
        let described = described().await;
        for (method, path, operation) in operations(&described) {
            for place in ["query", "header"] {
                for name in parameters(operation, place) {
                    // What browsers do by themselves needs no words for people.
                    let is_told = code(PAGE).any(|code| code.split([' ', '=', ':']).next() == Some(&name));
                    assert!(is_told || name == "If-None-Match", "{method} {path} takes {name}");
                }
            }
        }
    }

    #[tokio::test]
    async fn its_members_are_those_of_the_views() {
        let described = described().await;
        for (section, view) in [("## A task", "Task"), ("## Drones", "Drone"), ("## The whole", "Data")] {
            let documented: BTreeSet<_> = rows(section).iter().flat_map(|row| code(&row[0])).collect();
            let members = described["components"]["schemas"][view]["properties"].as_object().unwrap();
            assert_eq!(documented, members.keys().cloned().collect(), "{view}");
        }
    }

    #[tokio::test]
    async fn its_statuses_are_answered() {
        let documented: BTreeSet<_> = rows("## Errors")
            .iter()
            .flat_map(|row| row[0].split(", ").map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let described = described().await;
        let operations = operations(&described);
        let answers =
            operations.iter().flat_map(|(_, _, operation)| operation["responses"].as_object().unwrap().keys());
        let mut errors: BTreeSet<_> = answers.filter(|status| status.as_str() >= "400").cloned().collect();
        // It is answered where there is no operation, so that none has it.
        errors.insert("405".to_owned());
        assert!(described["info"]["description"].as_str().unwrap().contains("405"));
        assert_eq!(documented, errors);
    }
}
