//! `docs/PROTOCOL.md` against the program: every block of hex is what is really sent.
//!
//! A block is fenced and begins with `hex` and a name. The name is that of an example, or a
//! type and a value of it. In each line, `#` starts a remark.
#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

mod examples;

use std::collections::BTreeSet;

use bincode::Encode;
use examples::{Said, encode, examples};
use wire::blob::BlobBuf;
use wire::frame::HEADER;

const PAGE: &str = include_str!("../../docs/PROTOCOL.md");

/// Name and bytes of each block, in order.
fn blocks() -> Vec<(&'static str, Vec<u8>)> {
    let block = |text: &'static str| {
        let (name, text) = text.split_once('\n').unwrap();
        let (lines, _) = text.split_once("```").unwrap_or_else(|| panic!("the block {name} has an end"));
        let hex = lines.lines().flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace());
        let bytes = hex.map(|byte| u8::from_str_radix(byte, 16).unwrap_or_else(|_| panic!("{name}: {byte}")));
        (name, bytes.collect())
    };
    PAGE.split("```hex ").skip(1).map(block).collect()
}

/// The bytes of what has no frame of its own.
fn value(name: &str) -> Option<Vec<u8>> {
    fn bare(value: impl Encode) -> Vec<u8> {
        encode(&value).split_off(HEADER)
    }
    match name.split_once(' ')? {
        ("u64", value) => Some(bare(value.parse::<u64>().unwrap())),
        ("i8", value) => Some(bare(value.parse::<i8>().unwrap())),
        ("text", value) => Some(bare(value)),
        ("blob", value) => Some(bare(value.split(',').collect::<BlobBuf>().as_blob())),
        _ => None,
    }
}

#[test]
fn every_block_is_what_is_sent() {
    let examples = examples();
    for (name, bytes) in blocks() {
        if let Some(expected) = value(name) {
            assert_eq!(bytes, expected, "{name}");
            continue;
        }
        let (_, said) = examples.iter().find(|(example, _)| *example == name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(const_hex::encode(&bytes), const_hex::encode(said.encode()), "{name}");
        assert_eq!(said.decode_alike(&bytes), *said, "{name}");
    }
}

#[test]
fn every_message_has_a_block() {
    let named: BTreeSet<&str> = blocks().into_iter().map(|(name, _)| name).collect();
    assert_eq!(named.len(), blocks().len(), "each name once");
    let shown: Vec<(&str, Said)> = examples().into_iter().filter(|(name, _)| named.contains(name)).collect();
    examples::assert_complete(&shown);
}

/// What the tables say of the limits is what the program has.
#[test]
fn the_limits_are_those_of_the_program() {
    let grouped = |number: usize| {
        let digits = number.to_string();
        let groups: Vec<&str> =
            digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap()).collect();
        groups.join(",")
    };
    let material = [wire::material::MAX_INLINE, wire::material::MAX_PIECE, wire::material::MAX_KEPT];
    let frames = [wire::frame::MAX_TO_DRONE, wire::frame::MAX_HANDSHAKE, wire::List::<()>::MAX];
    for limit in frames.into_iter().chain(material) {
        assert!(PAGE.contains(&grouped(limit)), "{limit}");
    }
    assert!(PAGE.contains(&format!("1 to {} bytes", wire::handshake::MAX_NAME)));
    assert!(PAGE.contains(&format!("1 to {} bytes of printable ASCII", wire::handshake::MAX_KERNEL)));
    assert!(PAGE.contains(&format!("at most {} bytes, on average", grouped(wire::work::LONG_BYTES as usize))));
    for class in wire::work::Class::ALL {
        assert!(PAGE.contains(&format!("| {}, {} |", class.kind.0, class.variant)), "{class:?}");
    }
    assert!(PAGE.contains(&format!("every byte of version {}.", wire::preface::VERSION)));
}
