//! Searches: how they are asked for, and what is answered.

use axum::http::StatusCode;
use serde_json::{Value, json};
use web::kinds::Specification;
use web::kinds::search::{Search, Sought, Space, Stop};
use wire::space::CounterFormat;

use crate::submit::{FORM, TEXT, multipart};
use crate::support::*;

/// The digest of `hashcat`.
const HASHCAT: &str = "127e6fbfe24a750e72930c220a8e138275656b8e5d8f48a98c3c92df2caba935";

fn only(fake: &Fake) -> Search {
    match fake.only().0.specification {
        Specification::Search(search) => search,
        Specification::Digest(_) => panic!("a search was asked for"),
    }
}

/// A request with some members more.
fn with(mut request: Value, more: Value) -> Value {
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

/// A search with some members.
pub fn search(members: Value) -> Value {
    with(json!({ "kind": "search" }), members)
}

fn counter(from: u64, to: u64) -> Value {
    json!({ "counter": { "from": from, "to": to } })
}

/// The candidate and the digest of the only finding.
async fn finding(members: Value) -> (String, String) {
    let (_, router) = world();
    let answer = post_json(&router, search(members)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
    let task = answer.json();
    assert_eq!((&task["state"], &task["kind"]), (&"done".into(), &"search".into()));
    let found = task["results"].as_array().unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    let text = |member: &str| found[0][member].as_str().unwrap_or_default().to_owned();
    (text("plain"), text("digest"))
}

/// Known answers of others' programs: hashcat's self-tests for passwords, and puzzles of proof of work.
#[tokio::test]
async fn what_others_found_is_found() {
    let mask = |more: Value| finding(with(json!({ "space": { "mask": "hash?l?l?l" } }), more));
    let salted = "5bb7456f43e3610363f68ad6de82b8b96f3fc9ad24e9d1f1f8d8bd89638db7c0";
    let peppered = "816d1ded1d621873595048912ea3405d9d42afd3b57665d9f5a2db4d89720854";
    for request in [
        json!({ "targets": [HASHCAT] }),
        json!({ "targets": [salted], "suffix": "12480864321" }),
        json!({ "targets": [peppered], "prefix": { "base64": "MzYxNzY2MjA=" } }),
    ] {
        assert_eq!(mask(request).await.0, "hashcat");
    }
    for (bits, number) in [(16, 73_720), (20, 1_093_043), (24, 9_751_445)] {
        let space = counter(number - 70_000, number + 1000);
        let (plain, digest) = finding(json!({ "space": space, "prefix": "hunter", "leading_zero_bits": bits })).await;
        assert_eq!(plain, number.to_string());
        assert!(digest.starts_with(&"0".repeat(bits / 4)));
    }
    for (prefix, digits, number) in [
        ("a5b6fda4aaed97cf61d7dd9259f733b5", "d455", 67_302),
        ("286bcc39249f9ee698314b600c32e40f", "f0ff", 64_511),
        ("501350aa7c46573cb604284554045703", "4971", 40_440),
        ("02679e6558", "eeffc", 1_127_415),
    ] {
        let space = counter(if number > 1_000_000 { number - 100_000 } else { 0 }, number + 1000);
        let (plain, digest) = finding(json!({ "space": space, "prefix": prefix, "digest_prefix": digits })).await;
        assert_eq!(plain, number.to_string());
        assert!(digest.starts_with(digits));
    }
    let prefix = const_hex::encode(b"myrandomsaltisnotlongenoug\x0c\0\0\0\0\0\0\0ironmansucks");
    // 2^128 - 1 - (2^128 - 1) / 1000, rounded down.
    let least = format!("{:x}", u128::MAX - u128::MAX / 1000);
    let request = json!({ "space": counter(1, 2000), "prefix": { "hex": prefix }, "digest_at_least": least });
    let (plain, digest) = finding(request).await;
    assert_eq!(plain, "571");
    assert!(digest.starts_with("ffef95ec"));
    let (plain, digest) = finding(json!({
        "space": counter(776_000, 777_000),
        "prefix": "[0,\"a48380f4cfcc1ad5378294fcac36439770f9c878dd880ffa94bb74ea54a6f243\",1651794653,1,[[\"nonce\",\"",
        "suffix": "\",\"20\"]],\"It's just me mining my own business\"]",
        "leading_zero_bits": 20,
    }))
    .await;
    assert_eq!(plain, "776797");
    assert!(digest.starts_with("000006d8c378af17"));
}

/// The headers of Bitcoin's first two blocks, of which the last four bytes are searched.
#[tokio::test]
async fn blocks_are_mined() {
    let zeros = "00".repeat(32);
    let genesis =
        format!("01000000{zeros}3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d");
    let first = "010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4ba744bbbe680e1fee14677ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d";
    for (prefix, number, digest) in [
        (&*genesis, 2_083_236_893_u64, "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"),
        (first, 2_573_394_689, "00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048"),
    ] {
        let (_, router) = world();
        let request = search(json!({
            "algorithm": "sha256d",
            "space": { "counter": { "from": number - 50, "to": (number + 50).to_string(), "format": "u32le" } },
            "prefix": { "hex": prefix },
            "digest_at_most": "00000000ffff0000000000000000000000000000000000000000000000000000",
            "digest_order": "little",
        }));
        let task = post_json(&router, request).await.json();
        assert_eq!(task["results"][0]["index"], 50);
        let mut shown = const_hex::decode(task["results"][0]["digest"].as_str().unwrap()).unwrap();
        shown.reverse();
        assert_eq!(const_hex::encode(shown), digest);
    }
}

#[tokio::test]
async fn a_search_is_asked_for_in_json_or_in_a_form() {
    let json = search(json!({
        "space": { "mask": "?1?d", "charsets": ["ab"], "min_length": 1 },
        "targets": [HASHCAT.to_uppercase(), "00".repeat(32), HASHCAT],
        "prefix": { "hex": "ff00" },
        "suffix": "&=",
        "stop": "never",
        "max_findings": 7,
        "name": "bees",
        "priority": 3,
    }));
    let form = format!(
        "kind=search&mask=%3f1%3fd&charset1=ab&min_length=1&targets={HASHCAT}%0d%0a{}%0a&prefix_hex=ff00&suffix=%26%3d\
         &stop=never&max_findings=7&name=bees&priority=3",
        "00".repeat(32)
    );
    let lines = format!("\n {HASHCAT}  a name\r\n\\{} *a\\nb\n{HASHCAT}:plain", "00".repeat(32));
    let (content_type, parts) = multipart(&[
        ("kind", b"search"),
        ("mask", b"?1?d"),
        ("charset1", b"ab"),
        ("min_length", b"1"),
        ("targets", lines.as_bytes()),
        ("targets", b""),
        ("prefix_hex", b"ff00"),
        ("suffix", b"&="),
        ("stop", b"never"),
        ("max_findings", b"7"),
        ("name", b"bees"),
        ("priority", b"3"),
        ("text", b""),
        ("file", b""),
    ]);
    let mut all = Vec::new();
    for (content_type, body) in
        [("application/json", json.to_string().into_bytes()), (FORM, form.into_bytes()), (&content_type, parts)]
    {
        let (fake, router) = world();
        let answer = post(&router, "/tasks", content_type, body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{content_type}: {:?}", answer.body);
        assert_eq!(answer.json()["total"], 22);
        all.push((fake.only().0, answer.json()["search"].clone()));
    }
    assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
    let (new, view) = &all[0];
    assert_eq!((new.name.as_deref(), new.priority), (Some("bees"), 3));
    let Specification::Search(search) = &new.specification else { panic!() };
    assert_eq!((&search.prefix[..], &search.suffix[..], search.stop), (&b"\xff\0"[..], &b"&="[..], Stop::Never));
    let Sought::Targets { count: 2, digests } = &search.sought else { panic!("{:?}", search.sought) };
    assert_eq!(digests.len(), 64);
    assert!(digests.starts_with(&[0; 32]));
    let Space::Masks(masks) = &search.space else { panic!() };
    assert_eq!(masks.iter().map(|mask| mask.text.as_str()).collect::<Vec<_>>(), ["ab,?1", "ab,?1?d"]);
    assert_eq!(
        *view,
        json!({
            "space": { "masks": ["ab,?1", "ab,?1?d"], "mask_count": 2 },
            "prefix": { "hex": "ff00", "length": 2 },
            "suffix": "&=",
            "sought": { "targets": 2 },
            "stop": "never",
            "max_findings": 7,
            "found": 0,
            "at_max_findings": false,
            "marks": { "bits": 0, "seen": 3, "expected": 2.5 },
            "doubtful": 0,
        })
    );
}

#[tokio::test]
async fn several_masks_are_one_space() {
    let (fake, router) = world();
    let json = search(json!({
        "space": { "masks": ["?d", "xy,ef,?1?2", "?2\\,b"], "charsets": ["cd", "a"] },
        "leading_zero_bits": 3,
        "stop": "never",
    }));
    assert_eq!(post_json(&router, json).await.json()["total"], 10 + 4 + 1);
    let search = only(&fake);
    let texts: Vec<_> = (10..15).map(|index| String::from_utf8(search.candidate(index).unwrap()).unwrap()).collect();
    assert_eq!(texts, ["xe", "ye", "xf", "yf", "a,b"]);
    let (content_type, parts) = multipart(&[
        ("kind", b"search"),
        ("masks", b"# a comment\r\n?d\r\n\r\nxy,ef,?1?2\r\n"),
        ("masks", b"?2\\,b"),
        ("charset2", b"a"),
        ("leading_zero_bits", b"3"),
        ("stop", b"never"),
    ]);
    let (fake, router) = world();
    assert_eq!(post(&router, "/tasks", &content_type, parts).await.json()["total"], 15);
    assert_eq!(only(&fake).candidate(13), search.candidate(13));
    assert_eq!(only(&fake).mark_bits, 0);
}

#[tokio::test]
async fn what_is_left_out_has_a_default() {
    let (fake, router) = world();
    let request =
        search(json!({ "space": { "counter": { "to": 1_u64 << 40 } }, "digest_prefix": { "bits": "0000000" } }));
    fake.inner().computed = Some(0);
    let task = post_json(&router, request).await.json();
    assert_eq!((&task["algorithm"], &task["total"]), (&"sha256".into(), &(1_u64 << 40).into()));
    assert_eq!(task.get("encoding"), None);
    let interval = &task["search"]["sought"]["interval"];
    assert_eq!((&interval["text"], &interval["order"]), (&"7 leading zero bits".into(), &"big".into()));
    assert_eq!(task["search"]["space"]["counter"], json!({ "from": 0, "to": 1_u64 << 40, "format": "decimal" }));
    let asked = only(&fake);
    assert_eq!((asked.stop, asked.max_findings, asked.mark_bits), (Stop::First, 1_000_000, 21));
    let (fake, router) = world();
    post_json(&router, search(json!({ "space": { "mask": "a" }, "targets": [HASHCAT] }))).await;
    assert_eq!(only(&fake).stop, Stop::All);
}

#[tokio::test]
async fn a_dry_run_tells_what_it_would_take() {
    let (fake, router) = world();
    let request = search(json!({ "space": { "mask": "?l?l?l?l?l?l?l?l" }, "leading_zero_bits": 20 }));
    let dry = with(request.clone(), json!({ "dry_run": true }));
    for (path, request) in [("/tasks", dry), ("/tasks?dry_run=1", request)] {
        let answer = post(&router, path, "application/json", request.to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        let estimate = answer.json();
        let total = 26_u64.pow(8);
        assert_eq!(estimate["total"], total);
        assert_eq!(estimate["compressions"], total);
        assert_eq!((&estimate["rate"], &estimate["seconds"]), (&1e6.into(), &208_827.065.into()));
        let expected = estimate["expected_findings"].as_f64().unwrap();
        assert!((expected - total as f64 / 20f64.exp2()).abs() < 1.0, "{expected}");
    }
    assert_eq!(fake.tasks(), 0);
    // Strings are counted as they come.
    let strings =
        json!({ "total": 2, "compressions": 6, "rate": 333.333, "seconds": 0.006, "expected_findings": null });
    assert_eq!(post(&router, "/tasks?dry_run=1", "text/plain", "one\ntwo\n").await.json(), strings);
    assert_eq!(post_json(&router, json!({ "inputs": ["one", "two"], "dry_run": 1 })).await.json(), strings);
    post(&router, "/tasks?dry_run=1", "text/plain", "").await.problem(422);
    assert_eq!(fake.tasks(), 0);
}

/// The place and the words of a refusal.
async fn refused(members: Value) -> (String, String, Value) {
    let (fake, router) = world();
    let problem = post_json(&router, search(members)).await.problem(422);
    assert_eq!(fake.tasks(), 0);
    let text = |member: &str| problem[member].as_str().unwrap_or_default().to_owned();
    (text("path"), text("detail"), problem)
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_its_place() {
    let valid = json!({ "space": { "mask": "?l" }, "targets": [HASHCAT] });
    for (change, path, words) in [
        (json!({ "space": null }), "space", "a search needs candidates"),
        (json!({ "space": {} }), "space", "a search needs candidates"),
        (json!({ "space": { "mask": "" } }), "space.mask", "the mask is empty"),
        (json!({ "space": { "mask": "?l?" } }), "space.mask", "character 3: nothing stands behind the last `?`"),
        (json!({ "space": { "mask": "?l?1" } }), "space.mask", "character 3: custom charset 1 is used"),
        (json!({ "space": { "mask": "?1", "charsets": ["?2", "a"] } }), "space.charsets[0]", "does not come before"),
        (
            json!({ "space": { "mask": "a", "charsets": ["", "", "", "", "", "", "", "", ""] } }),
            "space.charsets[8]",
            "at most 8",
        ),
        (json!({ "space": { "mask": "ab", "min_length": 3 } }), "space.min_length", "`min_length` is 1 to 2"),
        (json!({ "space": { "mask": "?a?a?a?a?a?a?a?a?a?a" } }), "space.mask", "more than 2^63 candidates"),
        (json!({ "space": { "masks": ["a", "?x"] } }), "space.masks[1]", "character 1: there is no charset `?x`"),
        (json!({ "space": { "masks": ["a", ""] } }), "space.masks[1]", "the mask is empty"),
        (
            json!({ "space": { "masks": ["z,?1?2"], "charsets": ["a", "b"] } }),
            "space.masks[0]",
            "custom charset 2 is used",
        ),
        (json!({ "space": { "mask": "?1", "charsets": ["a".repeat(1024)] } }), "space.charsets[0]", "longer than 1023"),
        (json!({ "space": { "masks": ["a"], "mask": "a" } }), "space.masks", "two ways"),
        (json!({ "space": { "masks": ["a"], "min_length": 1 } }), "space.min_length", "belongs to a single"),
        (json!({ "space": { "mask": "a", "colour": 1 } }), "space", "there are: mask, charsets"),
        (json!({ "space": "?l" }), "space", "expected an object such as"),
        (json!({ "space": counter(5, 5) }), "space.counter.to", "not behind the first number"),
        (json!({ "space": { "counter": { "from": 5 } } }), "space.counter.to", "needs an end"),
        (json!({ "space": counter(0, u64::MAX) }), "space", "more than 2^63 candidates"),
        (json!({ "space": { "counter": { "to": -1 } } }), "space.counter.to", "is a whole number from 1"),
        (json!({ "space": { "counter": { "to": 1, "format": "u8" } } }), "space.counter.format", "there is no format"),
        (
            json!({ "space": { "counter": { "to": 4_294_967_297_u64, "format": "u32be" } } }),
            "space.counter.to",
            "cannot write more than 4294967295",
        ),
        (
            json!({ "space": counter(0, 1 << 62), "algorithm": "sha256d", "suffix": "x".repeat(60) }),
            "space",
            "compressions",
        ),
        (json!({ "algorithm": "hmac-sha256" }), "algorithm", "sha256d"),
        (json!({ "targets": [] }), "targets", "something that is sought"),
        (json!({ "targets": [HASHCAT, "12"] }), "targets[1]", "64 hexadecimal digits, and this has 2"),
        (json!({ "targets": [HASHCAT.replace('2', "g")] }), "targets[0]", "character 2"),
        (json!({ "targets": [format!("{HASHCAT}  name")] }), "targets[0]", "character 65"),
        (json!({ "targets": HASHCAT }), "targets", "expected an array of digests as texts"),
        (json!({ "leading_zero_bits": 3 }), "leading_zero_bits", "two ways"),
        (json!({ "targets": null, "leading_zero_bits": 257 }), "leading_zero_bits", "from 0 to 256"),
        (json!({ "targets": null, "digest_prefix": "xy" }), "digest_prefix", "character 1"),
        (json!({ "targets": null, "digest_prefix": { "bits": "012" } }), "digest_prefix.bits", "0101"),
        (json!({ "targets": null, "digest_at_most": "0", "digest_at_least": "1" }), "digest_at_least", "is above"),
        (json!({ "digest_order": "little" }), "digest_order", "does not belong"),
        (json!({ "targets": null, "leading_zero_bits": 1, "stop": "all" }), "stop", "only where `targets`"),
        (json!({ "stop": "late" }), "stop", "first, lowest, all, never"),
        (json!({ "max_findings": 1_000_001 }), "max_findings", "from 1 to 1000000"),
        (json!({ "max_findings": 1e20 }), "max_findings", "too large: it is at most 1000000"),
        (json!({ "priority": "99999999999999999999" }), "priority", "too large: it is at most 100"),
        (
            json!({ "space": { "counter": { "to": "18446744073709551616" } } }),
            "space.counter.to",
            "too large: it is at most 18446744073709551615",
        ),
        (
            json!({ "space": { "counter": { "from": 18_446_744_073_709_551_616.0, "to": 1 } } }),
            "space.counter.from",
            "too large: it is at most 18446744073709551615",
        ),
        (
            json!({ "targets": null, "leading_zero_bits": 1, "stop": "never", "max_findings": 12 }),
            "max_findings",
            "about 13 findings are expected",
        ),
        (json!({ "prefix": "x".repeat(65_537) }), "prefix", "longer than 65536 bytes"),
        (json!({ "prefix": { "hex": "abc" } }), "prefix.hex", "odd number of digits"),
        (json!({ "prefix": { "hex": "ab", "base64": "" } }), "prefix.hex", "two ways"),
        (json!({ "suffix": { "utf8": "x" } }), "suffix", "expected a text, {\"hex\""),
        (json!({ "suffix": {} }), "suffix", "expected a text, {\"hex\""),
        (json!({ "suffix": 5 }), "suffix", "expected a text, {\"hex\""),
        (json!({ "verify": "all" }), "verify", "marks"),
        (json!({ "each": "task" }), "each", "no inputs"),
        (json!({ "encoding": "hex" }), "encoding", "does not belong to a search"),
        (json!({ "input": "x" }), "input", "a search has no inputs"),
        (json!({ "mask": "x" }), "mask", "no such member"),
    ] {
        let (at, detail, problem) = refused(with(valid.clone(), change.clone())).await;
        assert_eq!(at, path, "{change}: {problem}");
        assert!(detail.contains(words), "{change}: {detail}");
    }
    let (_, _, problem) = refused(with(valid.clone(), json!({ "space": { "mask": "ab?l?9" } }))).await;
    assert_eq!(problem["character"], 5);
    let (_, router) = world();
    let digest = post_json(&router, json!({ "input": "x", "space": { "mask": "?l" } })).await.problem(422);
    assert_eq!(digest["path"], "space");
    let digest = post_json(&router, json!({ "input": "x", "targets": [HASHCAT] })).await.problem(422);
    assert_eq!(digest["path"], "targets");
    assert!(digest["detail"].as_str().unwrap().ends_with("a search is asked for with `kind=search`"), "{digest}");
}

#[tokio::test]
async fn faults_in_lists_of_a_form_have_a_line() {
    let (_, router) = world();
    let send = async |parts: &[(&str, &[u8])]| {
        let (content_type, parts) = multipart(parts);
        post(&router, "/tasks", &content_type, parts).await.problem(422)
    };
    let targets = format!("{HASHCAT}\n\nabc\n");
    let fault = send(&[("kind", b"search"), ("mask", b"?d"), ("targets", targets.as_bytes())]).await;
    assert_eq!((&fault["path"], &fault["line"]), (&"targets".into(), &3.into()), "{fault}");
    let targets = format!("{HASHCAT}  name\n{HASHCAT}:plain\n{HASHCAT} name");
    let fault = send(&[("kind", b"search"), ("mask", b"?d"), ("targets", targets.as_bytes())]).await;
    assert_eq!((&fault["path"], &fault["line"]), (&"targets".into(), &3.into()), "{fault}");
    let fault = send(&[("kind", b"search"), ("masks", b"#\n?d\n\n?d?"), ("leading_zero_bits", b"1")]).await;
    assert_eq!((&fault["path"], &fault["line"], &fault["character"]), (&"masks".into(), &4.into(), &3.into()));
    let fault =
        send(&[("kind", b"search"), ("masks", b"?d\n?l"), ("min_length", b"1"), ("leading_zero_bits", b"1")]).await;
    assert_eq!((&fault["path"], fault["detail"].as_str().unwrap().contains("single")), (&"min_length".into(), true));
    let fault = send(&[("kind", b"search"), ("masks", b"a\n\xff")]).await;
    assert_eq!((&fault["path"], &fault["line"]), (&"masks".into(), &2.into()), "{fault}");
    let fault = send(&[("kind", b"search"), ("mask", b"?d"), ("leading_zero_bits", b"1"), ("text", b"x")]).await;
    assert_eq!(fault["path"], "text");
    let fault = send(&[("kind", b"search"), ("leading_zero_bits", b"1")]).await;
    assert_eq!(fault["path"], "mask", "{fault}");
    let answer = post(&router, "/tasks?kind=search&mask=a&leading_zero_bits=1", TEXT, "x").await;
    answer.problem(415);
    let both = post(&router, "/tasks", FORM, "kind=search&mask=a&leading_zero_bits=1&input=x").await.problem(422);
    assert_eq!(both["path"], "input");
}

#[tokio::test]
async fn counters_are_written_in_every_format() {
    for (format, plain) in [
        ("decimal", "258"),
        ("hex", "102"),
        ("u32le", "\u{2}\u{1}\0\0"),
        ("u32be", "\0\0\u{1}\u{2}"),
        ("u64le", "\u{2}\u{1}\0\0\0\0\0\0"),
        ("u64be", "\0\0\0\0\0\0\u{1}\u{2}"),
    ] {
        let space = json!({ "counter": { "from": "258", "to": 259, "format": format } });
        assert_eq!(finding(json!({ "space": space, "digest_at_least": "0" })).await.0, plain);
    }
    let last = u64::MAX;
    let (fake, router) = world();
    post_json(&router, search(json!({ "space": counter(last - 1, last), "digest_at_most": "f" }))).await;
    assert_eq!(only(&fake).space, Space::Counter { from: last - 1, to: last, format: CounterFormat::Decimal });
}
