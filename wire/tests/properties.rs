//! What holds for every message, and for bytes that are none.
#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

use std::fmt::Debug;

use bincode::{BorrowDecode, Encode};
use bytes::Bytes;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::strategy::LazyJust;
use wire::List;
use wire::blob::Blob;
use wire::frame::{self, FrameError, HEADER, MAX_TO_DRONE};
use wire::handshake::{FromDrone, FromQueen, Rate};
use wire::ids::{DroneId, Epoch, Instance, LeaseId, SeatSecret, TaskId};
use wire::join::{JoinFile, MAX_SECRET_NAME, check_name};
use wire::material::{KeptMaterial, MaterialId};
use wire::message::{Adoption, Lease, Offered, Output, Progress, ToDrone, ToQueen};
use wire::preface::{MAGIC, Preface, Role};
use wire::proof::{Keys, MAC_BYTES, Transcript};
use wire::search::SharedSearch;
use wire::sieve::{DigestOrder, Sieve, Values, Word};
use wire::space::{Candidates, CounterFormat};
use wire::work::{Algorithm, Chunk, ChunkOutput, Class, DigestChunk, Digests, Kind, SearchChunk};

/// Small numbers and those around the steps of the encoding, as well as any.
fn number() -> impl Strategy<Value = u64> + Clone {
    let steps = prop::sample::select(vec![250, 251, 255, 256, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, u64::MAX]);
    prop_oneof![0u64..4, steps, any::<u64>()]
}

// Messages borrow their bytes; what a test makes up may as well live for ever.
fn bytes() -> impl Strategy<Value = &'static [u8]> {
    vec(any::<u8>(), 0..40).prop_map(|bytes| &*bytes.leak())
}

fn text() -> impl Strategy<Value = &'static str> {
    ".{0,12}".prop_map(|text| &*text.leak())
}

fn blob() -> impl Strategy<Value = Blob<'static>> {
    vec(vec(any::<u8>(), 0..20), 0..8).prop_map(|strings| {
        let words = std::iter::once(strings.len()).chain(strings.iter().map(Vec::len));
        let mut layout: Vec<u8> = words.flat_map(|word| (word as u32).to_le_bytes()).collect();
        layout.extend(strings.concat());
        Blob::parse(layout.leak()).unwrap()
    })
}

fn algorithm() -> impl Strategy<Value = Algorithm<'static>> {
    prop_oneof![
        LazyJust::new(|| Algorithm::Sha256),
        LazyJust::new(|| Algorithm::Sha256d),
        bytes().prop_map(|key| Algorithm::HmacSha256 { key }),
        (bytes(), any::<u32>()).prop_map(|(salt, iterations)| Algorithm::Pbkdf2HmacSha256 { salt, iterations }),
    ]
}

fn candidates() -> impl Strategy<Value = Candidates<'static>> {
    use CounterFormat::*;
    let format = prop::sample::select(vec![Decimal, Hex, U32Le, U32Be, U64Le, U64Be]);
    prop_oneof![
        blob().prop_map(Candidates::Mask),
        (number(), format).prop_map(|(from, format)| Candidates::Counter { from, format }),
    ]
}

fn sieve() -> impl Strategy<Value = Sieve<'static>> {
    let values = btree_set(number(), 0..6).prop_map(|values| {
        let values: Vec<[u8; 8]> = values.into_iter().map(u64::to_le_bytes).collect();
        Values::new(values.leak()).unwrap()
    });
    let word = prop::sample::select(vec![Word::Inner, Word::Outer]);
    let order = prop::sample::select(vec![DigestOrder::Big, DigestOrder::Little]);
    prop_oneof![
        (word, any::<u8>(), values).prop_map(|(word, bits, values)| Sieve::Targets { word, bits, values }),
        (order, (number(), number()), any::<([u8; 32], [u8; 32])>()).prop_map(|(order, marks, hits)| Sieve::Interval {
            order,
            marks,
            hits
        }),
    ]
}

fn chunk() -> impl Strategy<Value = Chunk<'static>> {
    let search = (algorithm(), candidates(), number(), number(), bytes(), bytes(), sieve());
    prop_oneof![
        (algorithm(), blob()).prop_map(|(algorithm, inputs)| Chunk::Digest(DigestChunk { algorithm, inputs })),
        search.prop_map(|(algorithm, candidates, first, items, prefix, suffix, sieve)| {
            Chunk::Search(SearchChunk { algorithm, candidates, first, items, prefix, suffix, sieve })
        }),
    ]
}

fn lease() -> impl Strategy<Value = Lease<'static>> {
    let ids = (number(), number(), number(), any::<[u8; 16]>());
    let material = prop::option::of(any::<[u8; 32]>().prop_map(MaterialId));
    (ids, any::<i8>(), number(), number(), number(), material, chunk()).prop_map(
        |((id, epoch, task, instance), priority, rank, from, to, material, chunk)| Lease {
            id: LeaseId(id),
            epoch: Epoch(epoch),
            task: TaskId(task),
            instance: Instance(instance),
            priority,
            rank,
            from,
            to,
            material,
            chunk,
        },
    )
}

fn output() -> impl Strategy<Value = Output<'static>> {
    let digests = vec(any::<[u8; 32]>(), 0..4).prop_map(|digests| Digests::new(digests.concat().leak()).unwrap());
    let output = prop_oneof![digests.prop_map(ChunkOutput::Digests), bytes().prop_map(ChunkOutput::Marks)];
    (number(), number(), number(), number(), number(), output).prop_map(|(lease, epoch, from, to, spent_ns, output)| {
        Output { lease: LeaseId(lease), epoch: Epoch(epoch), from, to, spent_ns, output }
    })
}

fn rate() -> impl Strategy<Value = Rate<'static>> {
    let class = (any::<u16>(), any::<u16>()).prop_map(|(kind, variant)| Class { kind: Kind(kind), variant });
    (class, number(), any::<u16>(), text()).prop_map(|(class, compressions_per_second, lanes, kernel)| Rate {
        class,
        compressions_per_second,
        lanes,
        kernel,
    })
}

fn list<T: Debug>(element: impl Strategy<Value = T>) -> impl Strategy<Value = List<T>> {
    vec(element, 0..6).prop_map(List)
}

fn to_drone() -> impl Strategy<Value = ToDrone<'static>> {
    let adoption =
        (number(), number(), number()).prop_map(|(lease, from, to)| Adoption { lease: LeaseId(lease), from, to });
    prop_oneof![
        list(lease()).prop_map(|leases| ToDrone::Work { leases }),
        (number(), number(), number()).prop_map(|(lease, epoch, end)| ToDrone::Shrink {
            lease: LeaseId(lease),
            epoch: Epoch(epoch),
            end
        }),
        LazyJust::new(|| ToDrone::Heartbeat),
        text().prop_map(|reason| ToDrone::Goodbye { reason }),
        list(prop::option::of(adoption)).prop_map(|leases| ToDrone::Adopted { leases }),
        number().prop_map(|outputs| ToDrone::Stored { outputs }),
        LazyJust::new(|| ToDrone::Drain),
        (any::<[u8; 32]>(), number(), number(), bytes()).prop_map(|(id, total, offset, bytes)| ToDrone::Material {
            id: MaterialId(id),
            total,
            offset,
            bytes
        }),
        any::<[u8; 32]>().prop_map(|id| ToDrone::Forget { id: MaterialId(id) }),
    ]
}

fn to_queen() -> impl Strategy<Value = ToQueen<'static>> {
    let progress = (number(), number(), number(), any::<bool>()).prop_map(|(lease, epoch, reached, begun)| Progress {
        lease: LeaseId(lease),
        epoch: Epoch(epoch),
        reached,
        begun,
    });
    let offered = (number(), number(), number(), any::<[u8; 16]>(), number(), number()).prop_map(
        |(lease, epoch, task, instance, from, to)| Offered {
            lease: LeaseId(lease),
            epoch: Epoch(epoch),
            task: TaskId(task),
            instance: Instance(instance),
            from,
            to,
        },
    );
    let kept = (any::<[u8; 32]>(), number()).prop_map(|(id, bytes)| KeptMaterial { id: MaterialId(id), bytes });
    let held = (number(), number()).prop_map(|(lease, epoch)| (LeaseId(lease), Epoch(epoch)));
    prop_oneof![
        list(output()).prop_map(|outputs| ToQueen::Outputs { outputs }),
        (number(), number(), text()).prop_map(|(lease, epoch, reason)| ToQueen::Failed {
            lease: LeaseId(lease),
            epoch: Epoch(epoch),
            reason
        }),
        list(held).prop_map(|leases| ToQueen::HandBack { leases }),
        (list(progress), number(), number()).prop_map(|(progress, compressions, busy_ns)| ToQueen::Heartbeat {
            progress,
            compressions,
            busy_ns
        }),
        LazyJust::new(|| ToQueen::Leaving),
        (list(offered), list(kept)).prop_map(|(leases, material)| ToQueen::Offer { leases, material }),
    ]
}

fn from_drone() -> impl Strategy<Value = FromDrone<'static>> {
    let kinds = list(any::<u16>().prop_map(Kind));
    let hello = (text(), text(), any::<[u8; 32]>(), any::<u16>(), kinds, list(rate()), number(), any::<[u8; 32]>());
    prop_oneof![
        hello.prop_map(|(name, software, seat, threads, kinds, rates, material, nonce)| FromDrone::Hello {
            name,
            software,
            seat: SeatSecret(seat),
            threads,
            kinds,
            rates,
            material,
            nonce
        }),
        (text(), any::<[u8; MAC_BYTES]>()).prop_map(|(secret, mac)| FromDrone::Proof { secret, mac }),
    ]
}

fn from_queen() -> impl Strategy<Value = FromQueen<'static>> {
    prop_oneof![
        any::<[u8; 32]>().prop_map(|nonce| FromQueen::Challenge { nonce }),
        (number(), number(), any::<u32>(), any::<u32>(), prop::option::of(any::<[u8; MAC_BYTES]>())).prop_map(
            |(drone, epoch, heartbeat_ms, silence_ms, mac)| FromQueen::Welcome {
                drone: DroneId(drone),
                epoch: Epoch(epoch),
                heartbeat_ms,
                silence_ms,
                mac
            }
        ),
        text().prop_map(|reason| FromQueen::Refused { reason }),
    ]
}

/// A message comes back as it was; cut off anywhere or with a byte more it is an error.
fn is_exact<M>(message: &M)
where
    M: Encode + BorrowDecode<'static, ()> + PartialEq + Debug,
{
    let mut frame = Vec::new();
    frame::encode(message, MAX_TO_DRONE, &mut frame).unwrap();
    let size = frame.len() - HEADER;
    let mut short = b"what was there before".to_vec();
    assert!(matches!(frame::encode(message, size - 1, &mut short), Err(FrameError::TooLong { .. })));
    assert_eq!(short, b"what was there before");
    for cut in 0..HEADER {
        assert!(frame::body_len(&frame[..cut], MAX_TO_DRONE).unwrap().is_none());
    }
    assert_eq!(frame::body_len(&frame, size).unwrap(), Some(size));
    assert!(matches!(frame::body_len(&frame, size - 1), Err(FrameError::TooLong { .. })));
    frame.push(0);
    let body: &'static [u8] = &frame.leak()[HEADER..];
    for cut in 0..size {
        assert!(frame::decode::<M>(&body[..cut]).is_err(), "cut off after {cut} bytes");
    }
    assert_eq!(frame::decode::<M>(&body[..size]).unwrap(), *message);
    assert!(matches!(frame::decode::<M>(body), Err(FrameError::LeftOver(1))));
}

/// Whatever the bytes are, they are refused or are a message that encodes, at most as long.
fn are_safe(body: &[u8]) {
    fn as_one<'a, M: Encode + BorrowDecode<'a, ()>>(body: &'a [u8]) {
        let Ok(message) = frame::decode::<M>(body) else { return };
        let mut again = Vec::new();
        frame::encode(&message, MAX_TO_DRONE, &mut again).unwrap();
        assert!(again.len() - HEADER <= body.len());
    }
    as_one::<ToDrone<'_>>(body);
    as_one::<ToQueen<'_>>(body);
    as_one::<FromDrone<'_>>(body);
    as_one::<FromQueen<'_>>(body);
    as_one::<Algorithm<'_>>(body);
    as_one::<Candidates<'_>>(body);
    as_one::<Sieve<'_>>(body);
}

/// Turns one bit at a time of `message`'s body.
fn survives_flips(message: &impl Encode) {
    let mut frame = Vec::new();
    frame::encode(message, MAX_TO_DRONE, &mut frame).unwrap();
    let body = &mut frame[HEADER..];
    for bit in 0..8 * body.len() {
        body[bit / 8] ^= 1 << (bit % 8);
        are_safe(body);
        body[bit / 8] ^= 1 << (bit % 8);
    }
}

proptest! {
    #[test]
    fn messages_to_drones(message in to_drone()) {
        is_exact(&message);
        survives_flips(&message);
    }

    #[test]
    fn messages_to_the_queen(message in to_queen()) {
        is_exact(&message);
        survives_flips(&message);
    }

    #[test]
    fn handshakes(drone in from_drone(), queen in from_queen()) {
        is_exact(&drone);
        is_exact(&queen);
        survives_flips(&drone);
        survives_flips(&queen);
    }

    #[test]
    fn a_kept_search_is_the_same(chunk in chunk()) {
        let mut frame = Vec::new();
        frame::encode(&chunk, MAX_TO_DRONE, &mut frame).unwrap();
        let frame = Bytes::from(frame).slice(HEADER..);
        let Ok(Chunk::Search(chunk)) = frame::decode::<Chunk<'_>>(&frame) else { return Ok(()) };
        let is_kept = matches!(chunk.algorithm, Algorithm::Sha256 | Algorithm::Sha256d);
        let kept = SharedSearch::within(&frame, &chunk, None);
        prop_assert_eq!(kept.as_ref().map(SharedSearch::as_chunk).ok(), is_kept.then_some(chunk));
    }

    #[test]
    fn values_are_the_same_as_material(chunk in chunk(), other in vec(any::<u8>(), 0..40)) {
        let Chunk::Search(chunk) = chunk else { return Ok(()) };
        let chunk = SearchChunk { algorithm: Algorithm::Sha256, ..chunk };
        let Sieve::Targets { word, bits, values } = chunk.sieve else { return Ok(()) };
        let without = Chunk::Search(SearchChunk {
            sieve: Sieve::Targets { word, bits, values: Values::known(&[]) },
            ..chunk
        });
        let mut frame = Vec::new();
        frame::encode(&without, MAX_TO_DRONE, &mut frame).unwrap();
        let frame = Bytes::from(frame).slice(HEADER..);
        let Ok(Chunk::Search(without)) = frame::decode::<Chunk<'_>>(&frame) else { panic!("it is a search") };
        let (material, other) = (Bytes::from(values.bytes()), Bytes::from(other));
        let kept = SharedSearch::within(&frame, &without, Some(&material));
        prop_assert_eq!(kept.as_ref().map(SharedSearch::as_chunk), Ok(chunk));
        let is_values = Values::parse(&other).is_some();
        prop_assert_eq!(SharedSearch::within(&frame, &without, Some(&other)).is_ok(), is_values);
    }

    #[test]
    fn any_bytes(body in vec(any::<u8>(), 0..200)) {
        are_safe(&body);
    }

    /// Random bytes rarely get past a list's count; small numbers do.
    #[test]
    fn likely_bytes(body in vec(prop_oneof![0u8..6, any::<u8>()], 0..200)) {
        are_safe(&body);
    }

    #[test]
    fn a_preface_is_read_back_or_refused(mut bytes: [u8; 8], ours: bool, role in 0u8..3, zero in 0u8..2) {
        if ours {
            bytes[..4].copy_from_slice(&MAGIC);
            bytes[6..].copy_from_slice(&[role, zero]);
        }
        let valid = bytes[..4] == MAGIC && bytes[6] < 2 && bytes[7] == 0;
        match Preface::decode(bytes) {
            Ok(preface) => prop_assert!(valid && preface.encode() == bytes),
            Err(_) => prop_assert!(!valid),
        }
    }

    #[test]
    fn a_proof_holds_for_what_was_said_and_for_nothing_else(
        bodies in vec(vec(any::<u8>(), 0..80), 1..5), secret: [u8; 32], leaf: [u8; 32], bit in any::<prop::sample::Index>(),
    ) {
        let keys = Keys { secret, leaf };
        let begin = Transcript::new(Preface::ours(Role::Drone), Preface::ours(Role::Queen));
        let (mut said, mut signed) = (begin.clone(), [&b"message"[..], &[0; MAC_BYTES]].concat());
        bodies.iter().for_each(|body| said.add(body));
        said.sign(&mut signed, Role::Queen, &keys);
        let all: Vec<_> = bodies.iter().chain([&signed]).cloned().collect();
        let holds = |all: &[Vec<u8>]| {
            let mut heard = begin.clone();
            all.iter().for_each(|body| heard.add(body));
            heard.proves(all.last().unwrap().last_chunk().unwrap(), Role::Queen, &keys)
        };
        prop_assert!(holds(&all));
        let bit = bit.index(8 * all.concat().len());
        let mut changed = all.clone();
        let mut at = bit / 8;
        for body in &mut changed {
            match body.get_mut(at) {
                Some(byte) => {
                    *byte ^= 1 << (bit % 8);
                    break;
                }
                None => at -= body.len(),
            }
        }
        prop_assert!(!holds(&changed));
        // Where a frame ends is a part of it.
        let joined = [all[..bodies.len()].concat(), signed.clone()];
        prop_assert!(bodies.len() == 1 || !holds(&joined));
    }

    #[test]
    fn a_join_file_is_read_back(name in "[A-Za-z0-9._-]{1,64}", secret: [u8; 32], lines in vec("[A-Za-z0-9+/=]{1,64}", 1..30)) {
        let authority = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
        let file = JoinFile { name, secret, authority };
        prop_assert_eq!(file.to_string().parse(), Ok(file));
    }

    #[test]
    fn any_text_is_a_join_file_or_none(text in "(hive-join 1|secret|#|-----BEGIN CERTIFICATE-----|-----END CERTIFICATE-----|[ -~]{0,8}|\n){0,12}") {
        if let Ok(file) = text.parse::<JoinFile>() {
            prop_assert_eq!(file.to_string().parse(), Ok(file));
        }
    }

    #[test]
    fn a_secrets_name_is_short_and_plain(name in ".{0,70}") {
        let is_plain = name.chars().all(|char| char.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&char));
        prop_assert_eq!(check_name(&name).is_ok(), is_plain && !name.is_empty() && name.len() <= MAX_SECRET_NAME);
    }
}
