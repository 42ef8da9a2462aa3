//! Every form that a submission may have.

use std::sync::Arc;

use axum::body::Body;
use proptest::prelude::*;
use serde_json::json;
use web::kinds::Specification;
use web::kinds::digest::{Algorithm, Encoding};
use web::model::Verify;

use crate::support::*;

pub const TEXT: &str = "text/plain";
pub const NDJSON: &str = "application/x-ndjson";
pub const FORM: &str = "application/x-www-form-urlencoded";

/// The inputs that come of a body.
pub async fn inputs(content_type: &str, body: impl Into<Body>) -> Vec<Vec<u8>> {
    let (fake, router) = world();
    let answer = post(&router, "/tasks", content_type, body).await;
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    fake.only().1
}

#[tokio::test]
async fn json_has_one_input_or_several() {
    let (fake, router) = world();
    let answer = post_json(&router, json!({"input": "super_secret_password_123", "name": "one", "priority": -7})).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("location"), "/tasks/1");
    let task = answer.json();
    assert_eq!(task["id"], 1);
    assert_eq!(task["name"], "one");
    assert_eq!(task["priority"], -7);
    assert_eq!(task["created_at"], "2023-11-14T22:13:20.000Z");
    let digest = "292e6640d6f984141f5e3685047fa5a7116be7aae035d0f299f95ee5af61ea3d";
    assert_eq!(task["results"], json!([{"index": 0, "input": "super_secret_password_123", "digest": digest}]));
    let answer =
        post_json(&router, json!({"kind": "digest", "inputs": ["", "a\n\u{1f41d}\"", "a"], "name": null})).await;
    assert_eq!(answer.header("location"), "/tasks/2");
    assert_eq!(fake.inputs(2), [&b""[..], "a\n\u{1f41d}\"".as_bytes(), b"a"]);
}

#[tokio::test]
async fn lines_of_text_are_inputs() {
    for (body, expected) in [
        (&b"a"[..], vec![&b"a"[..]]),
        (b"a\n", vec![b"a"]),
        (b"\n", vec![b""]),
        (b"a\r\nb\r\n", vec![b"a", b"b"]),
        (b"a\r\r\n\r\n\n", vec![b"a\r", b"", b""]),
        (b"a\n\nb\r", vec![b"a", b"", b"b\r"]),
        (b"\0\xff\xfe\n {\"x\"} \n", vec![b"\0\xff\xfe", b" {\"x\"} "]),
    ] {
        assert_eq!(inputs(TEXT, body).await, expected);
        assert_eq!(inputs("Text/Plain; charset=utf-8", body).await, expected);
        assert_eq!(inputs("", body).await, expected);
    }
}

#[tokio::test]
async fn ndjson_has_strings_and_objects() {
    let body = "\"a\\n\"\r\n\n  {\"input\": \"b\"} \n\"\\u00e9\"";
    assert_eq!(inputs(NDJSON, body).await, [&b"a\n"[..], b"b", "é".as_bytes()]);
}

#[tokio::test]
async fn forms_have_inputs_and_options() {
    assert_eq!(inputs(FORM, "input=a+b&input=%ff%00&algorithm=sha256d").await, [&b"a b"[..], b"\xff\0"]);
    // What a bare `curl -d '{…}'` sends, and what a client without a content type may.
    for content_type in [FORM, ""] {
        assert_eq!(inputs(content_type, " \n{\"input\": \"x\"}").await, [b"x"]);
        assert_eq!(inputs(content_type, frames([" ", "\r\n", "{\"inp", "ut\": \"x\"}"])).await, [b"x"]);
    }
    let (_, router) = world();
    let problem = post(&router, "/tasks", FORM, "some words").await.problem(422);
    assert!(problem["detail"].as_str().unwrap().contains("text/plain"));
    assert_eq!(problem["path"], "some words");
    let problem = post(&router, "/tasks?encoding=hex", FORM, "input=00&input=0").await.problem(422);
    assert_eq!(problem["path"], "input[1]");
}

pub fn multipart(parts: &[(&str, &[u8])]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, value) in parts {
        let file = if *name == "file" { "; filename=\"lines.txt\"\r\nContent-Type: text/plain" } else { "" };
        body.extend_from_slice(b"--border\r\nContent-Disposition: form-data; name=\"");
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(b"\"");
        body.extend_from_slice(file.as_bytes());
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--border--\r\n");
    ("multipart/form-data; boundary=border".to_owned(), body)
}

#[tokio::test]
async fn multipart_is_the_pages_form() {
    let (fake, router) = world();
    let (content_type, body) = multipart(&[
        ("algorithm", b"hmac-sha256"),
        ("key", b"k"),
        ("salt", b""),
        ("iterations", b""),
        ("encoding", b""),
        ("name", b"of the form"),
        ("priority", b"5"),
        ("text", b"a\r\n\r\nb\r\n"),
        ("file", b"c\nd\xff"),
    ]);
    assert_eq!(post(&router, "/tasks", &content_type, body.clone()).await.status, 201);
    let (new, inputs) = fake.only();
    assert_eq!(inputs, [&b"a"[..], b"", b"b", b"c", b"d\xff"]);
    let Specification::Digest(digest) = new.specification else { panic!() };
    assert_eq!(digest.algorithm, Algorithm::HmacSha256 { key: b"k".to_vec() });
    assert_eq!((new.name.as_deref(), new.priority), (Some("of the form"), 5));
    // However it is cut.
    for cut in 1..body.len() {
        let split = frames([body[..cut].to_vec(), body[cut..].to_vec()]);
        post(&router, "/tasks", &content_type, split).await;
        assert_eq!(fake.inputs(cut as u64 + 1), inputs);
    }
}

#[tokio::test]
async fn multipart_faults_say_where() {
    let (fake, router) = world();
    let send = async |query: &str, parts: &[(&str, &[u8])]| {
        let (content_type, body) = multipart(parts);
        post(&router, &format!("/tasks{query}"), &content_type, body).await
    };
    let problem = send("", &[("text", b"a"), ("name", b"late")]).await.problem(422);
    assert_eq!(problem["path"], "name");
    let problem = send("", &[("colour", b"red"), ("text", b"a")]).await.problem(422);
    assert_eq!(problem["path"], "colour");
    let problem = send("?encoding=hex", &[("text", b"00"), ("file", b"00\n0g")]).await.problem(422);
    assert_eq!((&problem["path"], &problem["line"]), (&json!("file"), &json!(2)));
    let problem = send("?name=a", &[("name", b"b"), ("text", b"a")]).await.problem(422);
    assert_eq!(problem["path"], "name");
    send("", &[("text", b""), ("file", b"")]).await.problem(422);
    post(&router, "/tasks", "multipart/form-data", "x").await.problem(400);
    let cut = "--border\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\na\nb";
    post(&router, "/tasks", "multipart/form-data; boundary=border", cut).await.problem(400);
    assert_eq!(fake.tasks(), 0);
}

#[tokio::test]
async fn options_are_members_or_parameters() {
    let with_headers = async |options: &str, headers: &[(&str, &str)]| {
        let (fake, router) = world();
        let headers = [&[("content-type", TEXT)], headers].concat();
        let answer = send(&router, request("POST", &format!("/tasks?{options}"), &headers, "0000\n")).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        let Specification::Digest(digest) = fake.only().0.specification else { panic!() };
        digest
    };
    let algorithm = async |options: &str| with_headers(options, &[]).await;
    assert_eq!(algorithm("").await.algorithm, Algorithm::Sha256);
    assert_eq!(algorithm("algorithm=sha256d&encoding=hex").await.encoding, Encoding::Hex);
    assert_eq!(algorithm("encoding=base64&name=").await.encoding, Encoding::Base64);
    let hmac = |key: &[u8]| Algorithm::HmacSha256 { key: key.to_vec() };
    let keyed = async |header| with_headers("algorithm=hmac-sha256", &[header]).await.algorithm;
    assert_eq!(keyed(("Hive-Key", "a b")).await, hmac(b"a b"));
    assert_eq!(keyed(("Hive-Key-Hex", "00fF")).await, hmac(b"\0\xff"));
    let pbkdf2 = Algorithm::Pbkdf2HmacSha256 { salt: b"s".to_vec(), iterations: 10_000_000 };
    for header in [("Hive-Salt", "s"), ("hive-salt-hex", "73")] {
        let salted = with_headers("algorithm=pbkdf2-hmac-sha256&iterations=10000000", &[header]).await;
        assert_eq!(salted.algorithm, pbkdf2);
    }
    let (fake, router) = world();
    let body = json!({"input": "x", "algorithm": "pbkdf2-hmac-sha256", "salt_hex": "73", "iterations": 10_000_000});
    assert_eq!(post_json(&router, body).await.status, 201);
    let Specification::Digest(digest) = fake.only().0.specification else { panic!() };
    assert_eq!(digest.algorithm, pbkdf2);
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused_by_name() {
    let (fake, router) = world();
    for (options, path) in [
        ("colour=red", "colour"),
        ("algorithm=md5", "algorithm"),
        ("kind=sorting", "kind"),
        ("encoding=latin1", "encoding"),
        ("priority=101", "priority"),
        ("priority=high", "priority"),
        ("iterations=5", "iterations"),
        ("algorithm=hmac-sha256", "key"),
        ("algorithm=pbkdf2-hmac-sha256", "salt"),
        ("name=a%0Ab", "name"),
        ("name=a&name=b", "name"),
    ] {
        let problem = post(&router, &format!("/tasks?{options}"), TEXT, "a\n").await.problem(422);
        assert_eq!(problem["path"], path, "{options}");
    }
    for (options, headers, path) in [
        ("", &[("Hive-Key", "a")][..], "key"),
        ("algorithm=hmac-sha256", &[("Hive-Key", "a"), ("Hive-Key-Hex", "00")], "key"),
        ("algorithm=hmac-sha256", &[("Hive-Key", "a"), ("Hive-Key", "a")], "key"),
        ("algorithm=hmac-sha256", &[("Hive-Key-Hex", "0x")], "key_hex"),
        ("algorithm=hmac-sha256", &[("Hive-Key", "a"), ("Hive-Salt", "b")], "salt"),
        ("algorithm=pbkdf2-hmac-sha256", &[("Hive-Salt", "s")], "iterations"),
        ("algorithm=pbkdf2-hmac-sha256&iterations=0", &[("Hive-Salt", "s")], "iterations"),
        ("algorithm=pbkdf2-hmac-sha256&iterations=10000001", &[("Hive-Salt", "s")], "iterations"),
    ] {
        let headers = [&[("content-type", TEXT)], headers].concat();
        let refused = send(&router, request("POST", &format!("/tasks?{options}"), &headers, "a\n")).await;
        assert_eq!(refused.problem(422)["path"], path, "{options} {headers:?}");
    }
    let key = "k".repeat(65_537);
    let problem = post_json(&router, json!({"input": "a", "algorithm": "hmac-sha256", "key": key})).await.problem(422);
    assert_eq!(problem["path"], "key");
    assert_eq!(fake.tasks(), 0);
}

#[tokio::test]
async fn keys_and_salts_stand_in_no_address() {
    let (fake, router) = world();
    for (name, header) in
        [("key", "Hive-Key"), ("key_hex", "Hive-Key-Hex"), ("salt", "Hive-Salt"), ("salt_hex", "Hive-Salt-Hex")]
    {
        let escaped = format!("%{:02x}{}=5ec4e7", name.as_bytes()[0], &name[1..]);
        for query in [format!("{name}=5ec4e7"), format!("algorithm=hmac-sha256&{name}="), escaped] {
            let answer = post(&router, &format!("/tasks?{query}"), TEXT, "a\n").await;
            let problem = answer.problem(400);
            assert_eq!(problem["path"], name, "{query}");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains(&format!("`{header}`")) && detail.contains("JSON"), "{detail}");
            assert!(!answer.text().contains("5ec4e7"));
        }
    }
    assert_eq!(fake.tasks(), 0);
}

#[tokio::test]
async fn faults_in_json_have_a_path() {
    let (fake, router) = world();
    for (body, status, path) in [
        (r#"{"inputs": ["a", "b", "c", 4]}"#, 422, "inputs[3]"),
        (r#"{"inputs": "a"}"#, 422, "inputs"),
        (r#"{"input": ["a"]}"#, 422, "input"),
        (r#"{"input": "a", "inputs": ["b"]}"#, 422, "inputs"),
        (r#"{"input": "a", "input": "b"}"#, 422, "input"),
        (r#"{"input": "a", "colour": 1}"#, 422, "colour"),
        (r#"{"input": "a", "priority": "x"}"#, 422, "priority"),
        (r#"{"input": "a", "name": 7}"#, 422, "name"),
        (r#"{"inputs": ["00", "0"], "encoding": "hex"}"#, 422, "inputs[1]"),
        (r#"{"input": "YQ", "encoding": "base64"}"#, 422, "input"),
        (r#"{"inputs": ["a", "\ud800"]}"#, 400, "inputs[1]"),
        (r#"{"inputs": ["a", "b"#, 400, "inputs[1]"),
    ] {
        let problem = post(&router, "/tasks", "application/json", body).await.problem(status);
        assert_eq!(problem["path"], path, "{body}");
    }
    for (body, status) in
        [("", 400), ("{}", 422), ("[]", 422), (r#"{"input": "a"} x"#, 400), (r#"{"inputs": []}"#, 422)]
    {
        post(&router, "/tasks", "application/json", body).await.problem(status);
    }
    let problem = post(&router, "/tasks", "application/json", "{\n  \"input\": nope}").await.problem(400);
    assert_eq!((&problem["line"], &problem["column"]), (&json!(2), &json!(13)));
    assert_eq!(fake.tasks(), 0);
}

#[tokio::test]
async fn faults_in_lines_have_a_number() {
    let (fake, router) = world();
    for (path, content_type, body, line) in [
        ("/tasks?encoding=hex", TEXT, "00\r\nff\n0x\n", 3),
        ("/tasks?encoding=hex", TEXT, "00\n0", 2),
        ("/tasks?encoding=base64", TEXT, "YQ==\nYQ=\nYQ==\n", 2),
        ("/tasks", NDJSON, "\"a\"\n\n5\n", 3),
        ("/tasks", NDJSON, "\"a\"\n{\"inputs\": []}\n", 2),
        ("/tasks", NDJSON, "{}\n", 1),
        ("/tasks", NDJSON, "{\"input\":\"a\",\"input\":\"b\"}\n", 1),
        ("/tasks?encoding=hex", NDJSON, "\"00\"\n{\"input\": \"0\"}", 2),
    ] {
        let problem = post(&router, path, content_type, body).await.problem(422);
        assert_eq!(problem["line"], line, "{body}");
        assert!(problem["detail"].as_str().unwrap().starts_with(&format!("line {line}: ")));
    }
    let problem = post(&router, "/tasks", NDJSON, "\"a\"\n\"b\n").await.problem(400);
    assert_eq!(problem["line"], 2);
    for content_type in [TEXT, NDJSON, ""] {
        post(&router, "/tasks", content_type, "").await.problem(422);
    }
    assert_eq!(fake.tasks(), 0);
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn what_is_compressed_with_gzip_is_undone() {
    let packed = |content_type: &'static str, coding: &'static str, body: &[u8]| {
        let headers = [("content-type", content_type), ("content-encoding", coding)];
        request("POST", "/tasks", &headers, gzipped(body))
    };
    let form = "multipart/form-data; boundary=B";
    let part = |head: &str, file: &[u8]| {
        let head = format!("--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.gz\"\r\n{head}\r\n\r\n");
        [head.as_bytes(), file, b"\r\n--B--\r\n"].concat()
    };
    let lines = b"one\r\ntwo\n";
    for (request, expected) in [
        (packed(TEXT, "gzip", lines), &[&b"one"[..], b"two"][..]),
        (packed(NDJSON, "x-gzip", b"\"one\"\n\"two\"\n"), &[b"one", b"two"]),
        (packed("application/json", "GZIP", b"{\"inputs\":[\"one\"]}"), &[b"one"]),
        (packed(form, "gzip", &part("Content-Type: text/plain", b"one")), &[b"one"]),
        (
            request(
                "POST",
                "/tasks",
                &[("content-type", form)],
                part("Content-Type: application/gzip", &gzipped(lines)),
            ),
            &[b"one", b"two"],
        ),
        (
            request("POST", "/tasks", &[("content-type", form)], part("Content-Encoding: gzip", &gzipped(lines))),
            &[b"one", b"two"],
        ),
    ] {
        let (fake, router) = world();
        let answer = send(&router, request).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(fake.inputs(1), expected);
    }
    let fake = fake(64);
    let router = web::site(fake.clone(), Arc::new(web::hive::Open), web::Config { max_body: 10_000, ..config() });
    let cut = gzipped(lines)[..12].to_vec();
    let problem = post(&router, "/tasks", form, part("Content-Type: application/gzip", &cut)).await.problem(400);
    assert_eq!(problem["detail"], "this is not gzip, or not all of it; nothing was created");
    // A body is as long as what it stands for.
    let long = vec![b'\n'; 10_001];
    send(&router, packed(TEXT, "gzip", &long)).await.problem(413);
    post(&router, "/tasks", form, part("Content-Type: application/gzip", &gzipped(&long))).await.problem(413);
    assert_eq!(fake.tasks(), 0);
}

#[tokio::test]
async fn what_is_encoded_and_not_undone_is_refused() {
    let (fake, router) = world();
    let refused = |headers: Vec<(&'static str, &'static str)>, body: &'static [u8], status| {
        let request = request("POST", "/tasks", &headers, body);
        let router = &router;
        async move { send(router, request).await.problem(status) }
    };
    let text = |more: (&'static str, &'static str)| vec![("content-type", TEXT), more];
    for (headers, status) in [
        (text(("content-encoding", "deflate")), 415),
        (text(("content-encoding", "gzip, gzip")), 415),
        (text(("content-encoding", "gzip")), 400),
        (text(("content-encoding", "identity, br")), 415),
        (text(("content-transfer-encoding", "base64")), 415),
        (text(("content-transfer-encoding", "quoted-printable")), 415),
        (text(("content-range", "bytes 0-1/4")), 400),
        (text(("content-type", "application/json")), 400),
        (text(("transfer-encoding", "gzip, chunked")), 501),
        (text(("expect", "200-ok")), 417),
        (vec![("content-type", "text/plain; charset=utf-16")], 415),
        (vec![("content-type", "text/plain; a=b; Charset=\"ISO-8859-1\"")], 415),
        (vec![("content-type", "application/x-ndjson; charset=utf-16le")], 415),
    ] {
        refused(headers, b"a\nb\n", status).await;
    }
    for content_type in [vec![], vec![("content-type", FORM)]] {
        refused(content_type, b"\xff\xfe{\0\"\0i\0n\0p\0u\0t\0", 415).await;
    }
    let form = "multipart/form-data; boundary=B";
    let part = |name: &str, head: &str| {
        format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n{head}\r\n\r\n1\r\n--B--\r\n")
    };
    for (name, head, status) in [
        ("file", "Content-Type: application/x-zip-compressed", 415),
        ("text", "Content-Type: multipart/mixed; boundary=C", 415),
        ("file", "Content-Type: application/json", 415),
        ("file", "Content-Type: text/plain; charset=utf-16", 415),
        ("file", "Content-Encoding: br", 415),
        ("priority", "Content-Encoding: gzip", 415),
        ("file", "Content-Transfer-Encoding: base64", 415),
        ("priority", "Content-Transfer-Encoding: base64", 415),
    ] {
        let problem = post(&router, "/tasks", form, part(name, head)).await.problem(status);
        assert_eq!(problem["path"], name, "{problem}");
    }
    assert_eq!(fake.tasks(), 0);
    for head in [
        "Content-Type: text/csv; charset=US-ASCII",
        "Content-Type: application/octet-stream",
        "Content-Transfer-Encoding: 8bit",
        "Content-Encoding: identity",
    ] {
        assert_eq!(inputs(form, part("file", head)).await, [b"1"], "{head}");
    }
    let ndjson = part("file", "Content-Type: application/x-ndjson").replace("\r\n1\r\n", "\r\n\"a\"\n\"b\"\r\n");
    assert_eq!(inputs(form, ndjson).await, [b"a", b"b"]);
}

#[tokio::test]
async fn json_may_begin_with_a_byte_order_mark() {
    for content_type in ["application/json", FORM, ""] {
        assert_eq!(inputs(content_type, "\u{feff}{\"input\": \"a\"}").await, [b"a"], "{content_type}");
    }
    let (_, router) = world();
    // It is read, and then there is no such task.
    let amended = send(&router, request("PATCH", "/tasks/9", &[], "\u{feff}{\"priority\": 1}")).await;
    amended.problem(404);
}

#[tokio::test]
async fn a_type_that_cannot_be_read_is_415() {
    let (_, router) = world();
    let problem = post(&router, "/tasks", "application/octet-stream", "a").await.problem(415);
    assert!(problem["detail"].as_str().unwrap().contains("text/plain"));
    let zipped = request("POST", "/tasks", &[("content-type", TEXT), ("content-encoding", "br")], "a");
    let problem = send(&router, zipped).await.problem(415);
    assert!(problem["detail"].as_str().unwrap().contains("Content-Encoding: br"));
    let problem = post(&router, "/tasks", "image/png", "a").await.problem(415);
    assert!(problem["detail"].as_str().unwrap().contains("application/x-ndjson"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_split_into_frames_gives_the_same_inputs(
        lines in proptest::collection::vec((proptest::collection::vec(prop_oneof![Just(b'\r'), Just(0), any::<u8>()], 0..8), any::<bool>()), 1..20),
        is_ended: bool,
        cuts in proptest::collection::vec(0usize..200, 0..8),
    ) {
        let mut body = Vec::new();
        let mut expected = Vec::new();
        for (line, is_crlf) in &lines {
            let line: Vec<u8> = line.iter().copied().filter(|byte| *byte != b'\n').collect();
            body.extend_from_slice(&line);
            body.extend_from_slice(if *is_crlf { b"\r\n" } else { b"\n" });
            let bare = line.strip_suffix(b"\r").filter(|_| !is_crlf).unwrap_or(&line);
            expected.push(bare.to_vec());
        }
        if !is_ended {
            body.extend_from_slice(b"last\r");
            expected.push(b"last\r".to_vec());
        }
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).chain([0, body.len()]).collect();
        cuts.sort_unstable();
        let cut: Vec<Vec<u8>> = cuts.windows(2).map(|pair| body[pair[0]..pair[1]].to_vec()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            assert_eq!(inputs(TEXT, frames(cut)).await, expected);
        });
    }
}

#[tokio::test]
async fn a_deadline_comes_in_every_form() {
    let (form_type, form) = multipart(&[("deadline_seconds", b"60"), ("text", b"a")]);
    for (path, content_type, body) in [
        ("/tasks", "application/json", br#"{"input": "a", "deadline_seconds": 60}"#.to_vec()),
        ("/tasks?deadline_seconds=60", "application/json", br#"{"input": "a"}"#.to_vec()),
        ("/tasks?deadline_seconds=60", TEXT, b"a".to_vec()),
        ("/tasks?deadline_seconds=60", NDJSON, b"\"a\"".to_vec()),
        ("/tasks", FORM, b"deadline_seconds=60&input=a".to_vec()),
        ("/tasks", form_type.as_str(), form),
    ] {
        let (fake, router) = world();
        let task = post(&router, path, content_type, body).await.json();
        assert_eq!(task["deadline_at"], "2023-11-14T22:14:20.000Z", "{content_type}");
        assert_eq!(fake.only().0.deadline_seconds, Some(60));
    }
    let (fake, router) = world();
    for (deadline, expected) in [("", None), ("1", Some(1)), ("31536000", Some(31_536_000))] {
        post(&router, &format!("/tasks?deadline_seconds={deadline}"), TEXT, "a").await;
        let inner = fake.inner();
        assert_eq!(inner.tasks.last().unwrap().as_ref().unwrap().new.deadline_seconds, expected);
    }
    for deadline in [json!(0), json!(31_536_001), json!(-1), json!(1.5), json!("soon"), json!(1e300)] {
        let problem = post_json(&router, json!({"input": "a", "deadline_seconds": deadline})).await.problem(422);
        assert_eq!(problem["path"], "deadline_seconds");
    }
}

#[tokio::test]
async fn each_input_may_be_a_task() {
    let form = "multipart/form-data; boundary=x";
    let parts = "--x\r\ncontent-disposition: form-data; name=\"each\"\r\n\r\ntask\r\n\
                 --x\r\ncontent-disposition: form-data; name=\"text\"\r\n\r\na\nb\r\n--x--\r\n";
    for (path, content_type, body) in [
        ("/tasks?each=task", TEXT, "a\nb\n"),
        ("/tasks?each=task", NDJSON, "\"a\"\n{\"input\":\"b\"}\n"),
        ("/tasks", "application/json", r#"{"inputs":["a","b"],"each":"task"}"#),
        ("/tasks", FORM, "input=a&input=b&each=task"),
        ("/tasks", form, parts),
    ] {
        let (fake, router) = world();
        let answer = post(&router, path, content_type, body).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        assert_eq!((answer.header("location"), &answer.json()["first_task"]), ("/tasks/1", &json!(2)));
        let (new, inputs) = fake.only();
        assert!(new.batch);
        assert_eq!(inputs, [b"a", b"b"]);
    }
    let (fake, router) = world();
    let problem = post(&router, "/tasks?each=line", TEXT, "a").await.problem(422);
    assert_eq!(problem["path"], "each");
    let problem = post(&router, "/tasks?each=task", NDJSON, "\"a\"\n\"b\n").await.problem(400);
    assert_eq!((&problem["line"], fake.tasks()), (&json!(2), 0));
}

#[tokio::test]
async fn all_results_may_have_to_be_computed_twice() {
    let form = "multipart/form-data; boundary=x";
    let parts = "--x\r\ncontent-disposition: form-data; name=\"verify\"\r\n\r\nall\r\n\
                 --x\r\ncontent-disposition: form-data; name=\"text\"\r\n\r\na\r\n--x--\r\n";
    for (path, content_type, body) in [
        ("/tasks?verify=all", TEXT, "a\n"),
        ("/tasks?verify=all", NDJSON, "\"a\"\n"),
        ("/tasks", "application/json", r#"{"input":"a","verify":"all"}"#),
        ("/tasks", FORM, "input=a&verify=all"),
        ("/tasks", form, parts),
    ] {
        let (fake, router) = world();
        let answer = post(&router, path, content_type, body).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["verify"]), (201, &json!("all")), "{:?}", answer.body);
        assert_eq!(fake.only().0.verify, Verify::All);
    }
    for sample in
        [json!({"input": "a"}), json!({"input": "a", "verify": null}), json!({"input": "a", "verify": "sample"})]
    {
        let (fake, router) = world();
        assert_eq!(post_json(&router, sample).await.json()["verify"], "sample");
        assert_eq!(fake.only().0.verify, Verify::Sample);
    }
    let (fake, router) = world();
    for verify in [json!("every"), json!(2), json!(true), json!("All")] {
        let problem = post_json(&router, json!({"input": "a", "verify": verify})).await.problem(422);
        assert_eq!(problem["path"], "verify", "{problem}");
    }
    let problem = post(&router, "/tasks?verify=none", TEXT, "a").await.problem(422);
    let detail = "`verify` is `sample`, which computes some results a second time, or `all`, and not `none`";
    assert_eq!((&problem["path"], &problem["detail"]), (&json!("verify"), &json!(detail)));
    assert_eq!(fake.tasks(), 0);
}

#[tokio::test]
async fn a_whole_number_may_be_written_with_a_point() {
    let (_, router) = world();
    let answer = post_json(&router, json!({"input": "x", "priority": 5.0})).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["priority"]), (201, &json!(5)));
    for wrong in [json!(5.5), json!(1e300), json!(101.0)] {
        assert_eq!(post_json(&router, json!({"input": "x", "priority": wrong})).await.problem(422)["path"], "priority");
    }
}
