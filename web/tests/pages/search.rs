//! Searches on the page.

use serde_json::json;
use web::hive::Finding;
use web::kinds::Specification;
use web::kinds::search::{Sought, Space};
use web::model::{Change, TaskState};
use wire::ids::TaskId;

use crate::support::*;
use crate::{contains, html, page};

const HASHCAT: &str = "127e6fbfe24a750e72930c220a8e138275656b8e5d8f48a98c3c92df2caba935";

/// The fields of the form as a browser without scripts sends them, with some filled in, and the button that was pressed.
fn filled(text: &str, filled: &[(&str, &str)], file: Option<&str>, button: Option<&str>) -> String {
    let start = text.find("id=\"search-form\"").unwrap();
    let form = &text[start..start + text[start..].find("</form>").unwrap()];
    let mut body = String::new();
    for field in form.split('<').filter(|tag| tag.contains(" name=\"") && !tag.starts_with("button")) {
        let name = field.split(" name=\"").nth(1).unwrap().split('"').next().unwrap();
        let head = format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"");
        if field.contains("type=\"file\"") {
            let content = file.filter(|_| name == "targets");
            let (file, content) = (content.map_or("", |_| "digests.txt"), content.unwrap_or_default());
            body += &format!("{head}; filename=\"{file}\"\r\nContent-Type: text/plain\r\n\r\n{content}\r\n");
            continue;
        }
        let known = filled.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let first = match name {
            "kind" => "search",
            "algorithm" => "sha256",
            "counter_format" => "decimal",
            "digest_order" => "big",
            _ => "",
        };
        body += &format!("{head}\r\n\r\n{}\r\n", known.unwrap_or(first));
    }
    if let Some(button) = button {
        body += &format!("--X\r\nContent-Disposition: form-data; name=\"{button}\"\r\n\r\n1\r\n");
    }
    body + "--X--\r\n"
}

async fn send(router: &web::Site, form: String) -> Answer {
    post(router, "/admin/search", "multipart/form-data; boundary=X", form).await
}

#[tokio::test]
async fn a_search_is_begun_without_scripts() {
    let (fake, router) = world();
    let empty = get(&router, "/admin/search").await;
    let text = page(&empty);
    contains(text, &["New search", "lawfully", "search.js?v="]);
    contains(page(&get(&router, "/admin").await), &["href=\"/admin/search\""]);
    let answer = send(&router, filled(text, &[("mask", "hash?l?1?l"), ("charset1", "abc")], Some(HASHCAT), None)).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/admin/tasks/1"));
    let Specification::Search(search) = fake.only().0.specification else { panic!() };
    assert!(matches!(&search.space, Space::Masks(masks) if masks.total() == 26 * 3 * 26));
    assert!(matches!(&search.sought, Sought::Targets { count: 1, .. }));
    let task = get(&router, "/admin/tasks/1").await;
    contains(
        page(&task),
        &[
            "Findings",
            "hashcat",
            HASHCAT,
            "abc,hash?l?1?l",
            "when all are found",
            "What was searched",
            "Potfile",
            "class=\"comb\"",
            "Of 2,000 equal parts: 500 verified, 1,500 done",
            "/tasks/1/coverage?format=csv",
            "0 to before 507",
            "data-label=\"Marks\"",
        ],
    );
    contains(
        page(&get(&router, "/admin/tasks").await),
        &["<bdi class=\"code\">abc,hash?l?1?l</bdi>", "sha256, 2,028 candidates, 1 found"],
    );
}

#[tokio::test]
async fn what_it_would_take_is_told_before() {
    let (fake, router) = world();
    let empty = get(&router, "/admin/search").await;
    let fields = [("counter_to", "4294967296"), ("leading_zero_bits", "24"), ("prefix", "a<b")];
    let answer = send(&router, filled(page(&empty), &fields, None, Some("dry_run"))).await;
    contains(
        page(&answer),
        &["<strong>4,294,967,296</strong> candidates", "1 h 11 min", "1.0 M/s", "about 256 findings", "a&#60;b"],
    );
    contains(
        page(&answer),
        &["value=\"4294967296\"", "<option value=\"counter\" selected>", "<option value=\"zeros\" selected>"],
    );
    assert_eq!(fake.tasks(), 0);
    let answer = send(&router, filled(page(&answer), &fields, None, None)).await;
    assert_eq!(answer.status, 303);
}

#[tokio::test]
async fn faults_stand_beside_their_fields() {
    let (fake, router) = world();
    let empty = get(&router, "/admin/search").await;
    let (zeros, long) = (("leading_zero_bits", "1"), "ab".repeat(70_000));
    for (fields, field, words) in [
        (&[("mask", "?l?"), ("targets", HASHCAT)][..], "mask", "character 3"),
        (&[("mask", "?1"), ("charset1", "?l?"), ("targets", HASHCAT)], "charset1", "nothing stands behind"),
        (&[("mask", "?l"), ("targets", "abc")], "targets", "line 1"),
        (&[("masks", "?l\n?"), ("leading_zero_bits", "1")], "masks", "line 2"),
        (&[("counter_from", "9"), ("counter_to", "5"), ("leading_zero_bits", "1")], "counter_to", "not behind"),
        (&[("targets", HASHCAT)], "mask", "needs candidates: give the mask, the masks, or the end of the numbers"),
        (&[("mask", "?l")], "targets", "sought: the digests, the number of leading zero bits"),
        (&[("mask", "?l"), ("min_length", "2"), zeros], "min_length", "the shortest length is 1 to 1"),
        (&[("mask", "?l"), ("min_length", "x"), zeros], "min_length", "the shortest length is a whole number"),
        (&[("counter_from", "1"), zeros], "counter_to", "give the end of the numbers"),
        (&[("counter_to", "-5"), zeros], "counter_to", "the end of the numbers is a whole number"),
        (&[("counter_from", "x"), ("counter_to", "5"), zeros], "counter_from", "the first number is a whole number"),
        (&[("mask", "?l"), ("leading_zero_bits", "257")], "leading_zero_bits", "the number of leading zero bits is"),
        (&[("mask", "?l"), ("digest_prefix", "xy")], "digest_prefix", "the beginning in hexadecimal: character 1"),
        (&[("mask", "?l"), ("digest_prefix_bits", "2")], "digest_prefix_bits", "the beginning in bits: bits are"),
        (&[("mask", "?l"), ("digest_at_most", "x")], "digest_at_most", "the highest digest: "),
        (
            &[("mask", "?l"), ("digest_at_most", "0"), ("digest_at_least", "1")],
            "digest_at_least",
            "the lowest digest is above",
        ),
        (&[("mask", "?l"), zeros, ("targets", HASHCAT)], "leading_zero_bits", "the digests and the number of leading"),
        (&[("mask", "?l"), zeros, ("prefix_hex", "abc")], "prefix_hex", "the text before it in hexadecimal: "),
        (&[("mask", "?l"), zeros, ("suffix", &long)], "suffix", "the text behind it is longer than"),
        (
            &[("mask", "?l"), zeros, ("suffix_hex", &long)],
            "suffix_hex",
            "the text behind it in hexadecimal is longer than",
        ),
        (&[("mask", "?l"), zeros, ("priority", "101")], "priority", "the priority is a whole number"),
        (&[("mask", "?l"), zeros, ("deadline_seconds", "-1")], "deadline_seconds", "the deadline in seconds is"),
        (&[("mask", "?l"), zeros, ("max_findings", "0")], "max_findings", "the limit of findings is a whole number"),
    ] {
        let answer = send(&router, filled(page(&empty), fields, None, None)).await;
        assert_eq!(answer.status, 422);
        let text = html(&answer);
        let fault = text.split(&format!("<p id=\"{field}-error\" class=\"fault\">")).nth(1);
        let fault = fault.unwrap_or_else(|| panic!("{field}: {text}")).split("</p>").next().unwrap();
        assert!(fault.contains(words), "{field}: {fault}");
    }
    assert_eq!(fake.tasks(), 0);
}

#[tokio::test]
async fn a_search_that_goes_on_shows_what_there_is() {
    let (fake, router) = world();
    fake.inner().computed = Some(500);
    let request = json!({
        "kind": "search", "space": { "mask": "?d?d?d" }, "targets": [sha256("7")], "suffix": "</script>",
    });
    post_json(&router, request).await;
    let text = get(&router, "/admin/tasks/1").await;
    contains(
        page(&text),
        &["They appear here as soon as they are found", "data-live=\"overview\"", "&#60;/script&#62;", "open"],
    );
    contains(page(&text), &["3<small>2.5 expected", "500 of 1,000", "Candidates tried"]);
    let rest = get(&router, "/admin/tasks/1?from=600").await;
    contains(page(&rest), &["600 to before 750", "rel=\"first\""]);
    let beyond = get(&router, "/admin/tasks/1?from=1000").await;
    contains(page(&beyond), &["nothing from candidate 1,000 on"]);
    fake.set_state(1, TaskState::Done);
    contains(page(&get(&router, "/admin/tasks/1").await), &["no candidate has a digest that is sought"]);
    let finding = Finding { index: 1, plain: b"1".to_vec(), digest: [7; 32] };
    fake.publish(Change::Finding { task: TaskId(1), finding, owner: None });
}
