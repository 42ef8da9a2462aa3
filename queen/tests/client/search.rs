//! Searches from the command line.

use std::fs;

use sha2::{Digest, Sha256};
use web::hive::Finding;
use web::model::{CoverageList, Estimate, TaskView, Verdict};

use super::support::programs::output;
use super::{Client, Hive};

fn digest(text: &str) -> String {
    const_hex::encode(Sha256::digest(text))
}

#[test]
fn what_is_sought_is_found_and_what_was_searched_is_shown() {
    let hive = Hive::on("127.0.0.1");
    let _drone = hive.drone("maja");
    let targets = hive.path("targets");
    fs::write(&targets, format!("{}\n\n {}\r\n", digest("zzzz").to_uppercase(), digest("bee:"))).unwrap();
    let masks = hive.path("masks.hcmask");
    fs::write(&masks, "# what bees say\n?l?l?l?l\n:,?l?l?l?1\n").unwrap();
    let (targets, masks) = (targets.to_str().unwrap(), masks.to_str().unwrap());
    let estimate: Estimate =
        hive.json(&["search", "--masks", masks, "--targets", targets, "--dry-run", "--output", "json"]);
    assert_eq!(estimate.total, 26_u64.pow(4) + 26_u64.pow(3));
    let found = hive.done(&["search", "--masks", masks, "--targets", targets, "--stop", "never", "--wait"]);
    let mut lines: Vec<&str> = found.lines().collect();
    lines.sort_unstable();
    let mut expected = [format!("{}:zzzz", digest("zzzz")), format!("{}:$HEX[6265653a]", digest("bee:"))];
    expected.sort_unstable();
    assert_eq!(lines, expected);
    let task: TaskView = hive.json(&["task", "last", "--output", "json"]);
    assert_eq!((task.done, task.results()), (task.total, 2));
    let coverage: CoverageList = hive.json(&["coverage", "last", "--output", "json"]);
    assert_eq!(coverage.next, None);
    let mut end = 0;
    for span in &coverage.spans {
        assert_eq!(span.from, end);
        assert!(matches!(span.verdict, Some(Verdict::Searched | Verdict::SearchedAgain)), "{span:?}");
        end = span.to;
    }
    assert_eq!(end, task.total);
    let csv = hive.done(&["coverage", "last", "--format", "csv"]);
    assert_eq!(csv.lines().count(), coverage.spans.len() + 1);
    assert!(hive.done(&["coverage", "last", "--format", "ndjson"]).contains("\"end\":true"));
    assert!(hive.done(&["coverage", "last"]).contains("maja"));
    assert!(hive.done(&["tasks"]).contains("?l?l?l?l and another mask"));
    let ndjson = hive.done(&["results", "last", "--format", "ndjson"]);
    let first: Finding = serde_json::from_str(ndjson.lines().next().unwrap()).unwrap();
    assert_eq!((first.index, first.plain), (26_u64.pow(4) - 1, b"zzzz".to_vec()));
}

#[test]
fn a_search_without_findings_has_an_exit_code_of_its_own() {
    let hive = Hive::on("127.0.0.1");
    let _drone = hive.drone("willi");
    let nothing = digest("nothing at all");
    let (code, said, complaint) =
        output(&mut hive.client(&["search", "--mask", "?d?d", "--target", &nothing, "--wait"]));
    assert_eq!((code, said.as_str()), (Some(5), ""), "{complaint}");
    assert!(complaint.contains("searched 100 candidates, and found nothing"), "{complaint}");
    let (code, said, _) = output(&mut hive.client(&["results", "last", "--wait"]));
    assert_eq!((code, said.as_str()), (Some(5), ""));
    let search = ["search", "--mask", "?d?d", "--target", &nothing, "--target", &digest("07"), "--wait"];
    let (code, said, complaint) = output(&mut hive.client(&search));
    assert_eq!((code, said), (Some(0), format!("{}:07\n", digest("07"))));
    assert!(complaint.contains("searched 100 candidates, and found 1 of 2 digests"), "{complaint}");
    let not_found = ["results", "last", "--not-found"];
    let (code, said, complaint) = output(&mut hive.client(&not_found));
    assert_eq!((code, said), (Some(0), format!("{nothing}\n")), "{complaint}");
    assert!(complaint.contains("not found among the 100 candidates of task 2, all of which"), "{complaint}");
    assert_eq!(hive.done(&[&not_found[..], &["--format", "csv"]].concat()), format!("digest\r\n{nothing}\r\n"));
    let [one, two, three] = ["07", "08", "09"].map(digest);
    let few = ["search", "--mask", "?d?d", "--target", &one, &two, &three, "--max-findings", "2", "--wait"];
    let (code, said, complaint) = output(&mut hive.client(&few));
    assert_eq!((code, said.lines().count()), (Some(0), 2), "{complaint}");
    assert!(complaint.contains("stopped at 2 findings, the most that it was to have"), "{complaint}");
    assert!(hive.done(&["task", "last"]).contains("2, the most (--max-findings)"));
    // So many candidates that they are not searched before the first of them is told.
    let first = ["--mask", "?d?d?d?d?d?d?d?d?d?d?d", "--target", &digest("70000000000"), &nothing, "--stop", "first"];
    hive.done(&[&["search"], &first[..], &["--wait"]].concat());
    let (code, _, complaint) = output(&mut hive.client(&not_found));
    assert_eq!(code, Some(4), "{complaint}");
    assert!(complaint.contains("candidates done") && complaint.contains("`--partial`"), "{complaint}");
    let (code, said, complaint) = output(&mut hive.client(&[&not_found[..], &["--partial"]].concat()));
    assert!(code == Some(0) && said.contains(&nothing), "{complaint}");
    assert!(complaint.contains("not found so far: task 4 ended"), "{complaint}");
    let counter = ["search", "--counter", "70000..80000", "--prefix", "hunter", "--leading-zero-bits", "16", "--wait"];
    let found = hive.done(&[&counter[..], &["--format", "ndjson"]].concat());
    let mut lines = found.lines();
    let finding: Finding = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(finding.plain, b"73720");
    assert_eq!(lines.next(), Some(r#"{"end":true,"count":1,"next_offset":1,"complete":true}"#));
}

#[test]
fn faults_are_told_with_their_place() {
    let hive = Hive::on("127.0.0.1");
    let path = hive.path("targets");
    fs::write(&path, format!("{}\nabc\n", digest("a"))).unwrap();
    let refused = |arguments: &[&str]| {
        let (code, _, complaint) = output(&mut hive.client(&[&["search"], arguments].concat()));
        assert_eq!(code, Some(4), "{complaint}");
        complaint
    };
    let target = digest("a");
    assert!(refused(&["--mask", "a", "--targets", path.to_str().unwrap()]).contains("`--targets`, line 2"));
    assert!(refused(&["--mask", "?l?", "--target", &target]).contains("`--mask`, character 3"));
    assert!(refused(&["--mask", "?1", "--charset1", "?q", "--target", &target]).contains("`--charset1`, character 1"));
    assert!(refused(&["--counter", "5..5", "--target", &target]).contains("`--counter` is 5"));
    let unsent = |arguments: &[&str]| {
        let (code, _, complaint) = output(&mut hive.client(&[&["search"], arguments].concat()));
        assert_eq!(code, Some(2), "{complaint}");
        complaint
    };
    assert!(unsent(&["--masks", "-", "--targets", "-"]).contains("can be read only once"));
    assert!(unsent(&["--counter", "0..18446744073709551616", "--target", &target]).contains("too large"));
    let findings = ["--mask", "a", "--target", &target, "--max-findings", "18446744073709551616"];
    assert!(unsent(&findings).contains("at most 1000000"));
    // What is asked for while nobody is there to search goes on without who asked.
    let mut waiting = Client::start(&mut hive.client(&["search", "--mask", "?l", "--target", &target, "--wait"]));
    waiting.until_said("because no drone is connected");
    waiting.signal("-INT");
    waiting.until_said("goes on without you");
    assert_eq!(waiting.end().status.code(), Some(130));
    let _drone = hive.drone("maja");
    assert_eq!(hive.done(&["results", "last", "--wait"]), format!("{target}:a\n"));
}
