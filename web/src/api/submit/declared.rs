//! What headers say of the bytes behind them: those of a request, or of one part of a form.

use axum::http::header::{CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode};

use super::gunzip::is_gzip;
use super::lines::Form;
use crate::error::{Problem, shown};

const CONTENT_TRANSFER_ENCODING: HeaderName = HeaderName::from_static("content-transfer-encoding");

/// Encodings that leave the bytes as they are.
const PLAIN: [&str; 4] = ["identity", "7bit", "8bit", "binary"];

/// Character sets in which nothing has to be decoded.
const CHARSETS: [&str; 4] = ["utf-8", "utf8", "us-ascii", "ascii"];

/// Subtypes of what is compressed, or packed with other files.
const PACKED: [&str; 24] = [
    "gzip",
    "x-gzip",
    "x-gunzip",
    "zip",
    "x-zip",
    "x-zip-compressed",
    "zstd",
    "x-zstd",
    "x-bzip",
    "x-bzip2",
    "x-xz",
    "x-lzma",
    "x-lzip",
    "x-lz4",
    "x-lzop",
    "x-brotli",
    "x-compress",
    "x-compressed",
    "x-7z-compressed",
    "vnd.rar",
    "x-rar-compressed",
    "x-rar",
    "x-tar",
    "x-gtar",
];

/// What the bytes are, in lower case and without parameters; empty if nobody says.
///
/// # Errors
/// If they are said to be encoded in a way that is not undone here, or to be only a part of what
/// is meant: hashed as they stand, they would give other digests than the right ones.
pub(super) fn media_type(headers: &HeaderMap) -> Result<String, Problem> {
    for name in [CONTENT_ENCODING, CONTENT_TRANSFER_ENCODING] {
        for encoding in headers.get_all(&name) {
            let encoding = String::from_utf8_lossy(encoding.as_bytes());
            if !PLAIN.iter().any(|plain| encoding.trim().eq_ignore_ascii_case(plain)) {
                let (name, encoding) = (in_words(&name), shown(&encoding));
                return Err(unsupported(format!(
                    "`{name}: {encoding}` is not undone here; send the bytes as they are, or tasks with `Content-Encoding: gzip`"
                )));
            }
        }
    }
    if headers.contains_key(CONTENT_RANGE) {
        return Err(Problem::malformed("`Content-Range` says that this is not all; send all of it at once"));
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let header = types.next().map(|value| String::from_utf8_lossy(value.as_bytes())).unwrap_or_default();
    if types.next().is_some() {
        return Err(Problem::malformed("there is more than one `Content-Type`"));
    }
    let mut parts = header.split(';');
    let media_type = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    for parameter in parts {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        let charset = value.trim().trim_matches('"');
        if name.trim().eq_ignore_ascii_case("charset") && !CHARSETS.iter().any(|it| charset.eq_ignore_ascii_case(it)) {
            let charset = shown(charset);
            return Err(unsupported(format!(
                "`charset={charset}` is not decoded here; send UTF-8, or leave it out to have the bytes taken as they are"
            )));
        }
    }
    Ok(media_type)
}

/// What the lines are in a part of a form, and whether it is compressed with gzip.
///
/// # Errors
/// Like [`media_type`], and if they are none.
pub(super) fn form_of_part(headers: &HeaderMap) -> Result<(Form, bool), Problem> {
    if is_gzip(headers) {
        let mut headers = headers.clone();
        headers.remove(CONTENT_ENCODING);
        return Ok((form_of_part(&headers)?.0, true));
    }
    let media_type = media_type(headers)?;
    let (main, sub) = media_type.split_once('/').unwrap_or((&media_type, ""));
    // As browsers call a file that ends in `.gz`.
    if matches!((main, sub), ("application", "gzip" | "x-gzip" | "x-gunzip")) {
        return Ok((Form::Text, true));
    }
    if matches!(main, "multipart" | "message") || PACKED.contains(&sub) || sub.ends_with("+gzip") {
        let media_type = shown(&media_type);
        return Err(unsupported(format!("`{media_type}` is not unpacked here; send the lines that are in it")));
    }
    match media_type.as_str() {
        "application/json" => Err(unsupported(
            "JSON is not read in a form; send it as the body, or say text/plain if every line is an input".to_owned(),
        )),
        media_type if is_ndjson(media_type) => Ok((Form::Ndjson, false)),
        _ => Ok((Form::Text, false)),
    }
}

/// Whether it is a JSON value a line.
pub(super) fn is_ndjson(media_type: &str) -> bool {
    matches!(media_type, "application/x-ndjson" | "application/ndjson" | "application/jsonl")
}

/// 415: bytes of this kind cannot be read here.
pub(super) fn unsupported(detail: String) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
}

fn in_words(name: &HeaderName) -> &'static str {
    if *name == CONTENT_ENCODING { "Content-Encoding" } else { "Content-Transfer-Encoding" }
}
