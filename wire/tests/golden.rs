//! The bytes of every message, so that no change of a type or of bincode alters them unseen.
#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

mod examples;

use examples::examples;
use wire::List;
use wire::frame;
use wire::sieve::Sieve;
use wire::space::Candidates;
use wire::work::Algorithm;

const GOLDEN: [(&str, &str); 38] = [
    ("Preface of the Drone", "f09f909d05000100"),
    ("Preface of the Queen", "f09f909d05000000"),
    (
        "Hello",
        "7a00000000056265652d310b64726f6e6520302e312e3064726f6e65277320736561743a20616e792033322072616e646f6d2062\
         277321040101020100fc002d310104067368612d6e690103fc80c3c9011006617678353132fc0000000264726f6e652773206e6f\
         6e63653a20616e792033322072616e646f6d20622773",
    ),
    ("Welcome", "0a000000010101fbe803fb102700"),
    ("Offer of nothing", "03000000050000"),
    ("Adopted of nothing", "020000000400"),
    (
        "Work",
        "3e00000000010701017461736b277320696e7374616e6365210000000100010021010000001900000073757065725f7365637265\
         745f70617373776f72645f313233",
    ),
    ("Outputs", "2b000000000107010001fb08070101292e6640d6f984141f5e3685047fa5a7116be7aae035d0f299f95ee5af61ea3d"),
    ("Stored", "020000000501"),
    ("Heartbeat of the Drone", "04000000030001c8"),
    ("Heartbeat of the Queen", "0100000002"),
    ("Leaving", "0100000004"),
    ("Challenge", "2100000000717565656e2773206e6f6e63653a20616e792033322072616e646f6d20622773"),
    // The macs were computed by another program.
    ("Proof", "2700000001056669727374dd828586d5cae44c3d3a8de8f44b26da3ce57bbe9d6f1346dfd6640c12572e11"),
    (
        "Welcome with a mac",
        "2a000000010101fbe803fb102701f7dbb7f5f6895c3215c5c8decb26590bca9400edc1371915b156fbac29409eed",
    ),
    ("Refused", "1d000000021b7468697320517565656e20737065616b732076657273696f6e2035"),
    ("Shrink", "0e00000001fb2c0101fd0000000001000000"),
    ("Goodbye", "11000000030f74686520517565656e2073746f7073"),
    ("Heartbeat with progress", "1e0000000301fb2c0101fc7011010001fd0000000001000000fd0000000001000000"),
    ("Failed", "1200000001fb2c01010c3020697465726174696f6e73"),
    ("HandBack", "0a0000000202fb2c0101fb2d0101"),
    ("Drain", "0100000006"),
    (
        "Offer",
        "540000000502fb2c0101017461736b277320696e7374616e63652140fb0001fb2d0101017461736b277320696e7374616e636521\
         0001011a42fedfd6dff93fc030e03f7cce7f13e2a750155c8cae6fd15a595849e93d0f0a",
    ),
    ("Adopted", "0700000004020109408000"),
    (
        "Work of a search",
        "3f00000000010801027461736b277320696e7374616e636521000100060002000011020000000300000002000000616263303100\
         060000000004010700000000000000",
    ),
    ("Outputs of a search", "0f000000000108010006fbbc02020401010000"),
    ("Material", "29000000071a42fedfd6dff93fc030e03f7cce7f13e2a750155c8cae6fd15a595849e93d0f0a000561206c6f6e"),
    (
        "Material to its end",
        "29000000071a42fedfd6dff93fc030e03f7cce7f13e2a750155c8cae6fd15a595849e93d0f0a050567206b6579",
    ),
    (
        "Work with material",
        "4900000000010901037461736b277320696e7374616e63652100020001011a42fedfd6dff93fc030e03f7cce7f13e2a750155c8c\
         ae6fd15a595849e93d0f0102000b0100000003000000626565",
    ),
    ("Forget", "21000000081a42fedfd6dff93fc030e03f7cce7f13e2a750155c8cae6fd15a595849e93d0f"),
    ("Sha256", "00"),
    ("Sha256d", "01"),
    ("HmacSha256", "02036b6579"),
    ("Pbkdf2HmacSha256", "030473616c74fcc0270900"),
    ("Mask", "00110200000003000000020000006162633031"),
    ("Counter", "01fbe80300"),
    ("Targets", "000130020300000000000000ab89674523010000"),
    (
        "Interval",
        "010000fdffffffffff0f0000000000000000000000000000000000000000000000000000000000000000000000000000\
         ffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ),
];

#[test]
fn every_message_has_its_bytes() {
    let examples = examples();
    examples::assert_complete(&examples);
    assert!(examples.iter().map(|(name, _)| *name).eq(GOLDEN.map(|(name, _)| name)));
    for ((name, said), (_, hex)) in examples.iter().zip(GOLDEN) {
        assert_eq!(const_hex::encode(said.encode()), hex, "{name}");
        assert_eq!(said.decode_alike(&const_hex::decode(hex).unwrap()), *said, "{name}");
    }
}

/// A peer of another build may know more than we do; that has to be an error, not a guess.
#[test]
fn what_is_unknown_is_refused() {
    for body in ["09", "fa", "fb0001", ""] {
        let body = const_hex::decode(body).unwrap();
        assert!(frame::decode::<wire::message::ToQueen<'_>>(&body).is_err());
        assert!(frame::decode::<wire::message::ToDrone<'_>>(&body).is_err());
        assert!(frame::decode::<wire::handshake::FromDrone<'_>>(&body).is_err());
        assert!(frame::decode::<wire::handshake::FromQueen<'_>>(&body).is_err());
        assert!(frame::decode::<Algorithm<'_>>(&body).is_err());
        assert!(frame::decode::<Candidates<'_>>(&body).is_err());
        assert!(frame::decode::<Sieve<'_>>(&body).is_err());
    }
}

#[test]
fn an_unknown_kind_of_work_is_refused() {
    // Where the kind stands in each body.
    for (name, at) in [("Work", 26), ("Outputs", 9)] {
        let (_, said) = examples().into_iter().find(|(example, _)| *example == name).unwrap();
        let mut body = said.encode().split_off(frame::HEADER);
        assert_eq!(body[at], 1, "{name}");
        body[at] = 3;
        let error = match name {
            "Work" => frame::decode::<wire::message::ToDrone<'_>>(&body).unwrap_err(),
            _ => frame::decode::<wire::message::ToQueen<'_>>(&body).unwrap_err(),
        };
        assert!(error.to_string().contains("no such kind of work"), "{error}");
    }
}

#[test]
fn an_option_and_a_text_are_strict() {
    assert!(frame::decode::<wire::handshake::FromQueen<'_>>(&[1, 1, 1, 1, 1, 2]).is_err(), "neither none nor some");
    assert!(frame::decode::<wire::message::ToDrone<'_>>(&[3, 1, 0xFF]).is_err(), "not UTF-8");
    assert!(frame::decode::<List<u64>>(&[1, 254]).is_err(), "no 128-bit numbers");
    assert!(frame::decode::<List<u64>>(&[1, 255]).is_err(), "no such marker");
    assert_eq!(frame::decode::<List<u64>>(&[1, 251, 7, 0]).unwrap().0, [7], "a longer form is read as well");
}
