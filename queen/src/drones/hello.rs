//! What a Drone says of itself, checked before it has any effect.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use sha2::{Digest, Sha256};
use web::model::Kernels;
use wire::handshake::{FromDrone, MAX_KERNEL, MAX_NAME, Rate};
use wire::ids::{Instance, SeatSecret};
use wire::work::Class;

use super::text::printable;
use crate::core::{Ability, Speed};
use crate::hive::Newcomer;

/// The Drone that says this, and connects from `peer`.
///
/// # Errors
/// What is wrong with it, for the Drone's operator.
pub(super) fn newcomer(hello: &FromDrone<'_>, peer: SocketAddr) -> Result<Newcomer, String> {
    let FromDrone::Hello { name, software, seat, threads, kinds, rates, material, nonce: _ } = hello else {
        return Err("the first message has to be a hello".into());
    };
    for (what, text) in [("name", name), ("software", software)] {
        if text.is_empty() || text.len() > MAX_NAME {
            return Err(format!("a drone's {what} has 1 to {MAX_NAME} bytes, and this one has {}", text.len()));
        }
    }
    if *threads == 0 {
        return Err("a drone has at least one thread".into());
    }
    let (speeds, kernels) = measured(&rates.0)?;
    Ok(Newcomer {
        name: printable(name),
        instance: instance_of(seat),
        address: peer.to_string(),
        software: printable(software),
        ability: Ability { threads: *threads, kinds: kinds.0.iter().copied().collect(), speeds, material: *material },
        kernels,
        secret: None,
    })
}

/// What the process is called that has this secret: the first half of the secret's SHA-256.
fn instance_of(seat: &SeatSecret) -> Instance {
    let mut instance = [0; 16];
    instance.copy_from_slice(&Sha256::digest(seat.0)[..16]);
    Instance(instance)
}

/// What it measured of the classes that are known.
fn measured(rates: &[Rate<'_>]) -> Result<(BTreeMap<Class, Speed>, Kernels), String> {
    let mut speeds = BTreeMap::new();
    let mut kernels = Kernels::default();
    for Rate { class, compressions_per_second: rate, lanes, kernel } in rates {
        let Class { kind, variant } = class;
        let of = format!("its rate of class {}.{variant}", kind.0);
        if *lanes == 0 {
            return Err(format!("{of} has no lanes: a thread computes at least one item at once"));
        }
        let is_printable = kernel.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if kernel.is_empty() || kernel.len() > MAX_KERNEL || !is_printable {
            return Err(format!("{of} names a kernel that is not 1 to {MAX_KERNEL} bytes of printable ASCII"));
        }
        let name = match *class {
            Class::SHORT => &mut kernels.short,
            Class::LONG => &mut kernels.long,
            Class::SHA256D => &mut kernels.sha256d,
            Class::HMAC => &mut kernels.hmac,
            Class::PBKDF2 => &mut kernels.pbkdf2,
            Class::SEARCH => &mut kernels.search,
            Class::SEARCH_SHA256D => &mut kernels.search_sha256d,
            Class::SEARCH_LONG => &mut kernels.search_long,
            // A newer Drone may know more.
            _ => continue,
        };
        *name = Some((*kernel).to_owned());
        if speeds.insert(*class, Speed { rate: *rate, lanes: *lanes }).is_some() {
            return Err(format!("{of} is given twice"));
        }
    }
    Ok((speeds, kernels))
}

#[cfg(test)]
mod tests {
    use wire::work::Kind;

    use super::*;

    const NEW: Class = Class { kind: Kind::DIGEST, variant: 77 };

    fn heard(name: &str, threads: u16, rates: &[(Class, u16, &str)]) -> Result<Newcomer, String> {
        heard_of(name, "a\u{7}", threads, rates)
    }

    fn heard_of(name: &str, software: &str, threads: u16, rates: &[(Class, u16, &str)]) -> Result<Newcomer, String> {
        let rate = |(class, lanes, kernel)| Rate { class, compressions_per_second: 7, lanes, kernel };
        let rates: Vec<_> = rates.iter().copied().map(rate).collect();
        let (seat, kinds, rates) = (SeatSecret([0; 32]), vec![Kind::DIGEST].into(), rates.into());
        let (material, nonce) = (77, [0; 32]);
        let hello = FromDrone::Hello { name, software, seat, threads, kinds, rates, material, nonce };
        newcomer(&hello, SocketAddr::from(([127, 0, 0, 1], 9)))
    }

    #[test]
    fn a_drone_is_what_it_says() {
        let rates = [(Class::SHORT, 16, "avx512"), (Class::PBKDF2, 4, "sha-ni"), (NEW, 1, "of a newer build")];
        let Newcomer { ability, kernels, software, .. } = heard("bee", 3, &rates).unwrap();
        assert_eq!((ability.threads, ability.kinds.contains(&Kind::DIGEST), ability.material), (3, true, 77));
        assert_eq!(ability.speeds[&Class::PBKDF2], Speed { rate: 7, lanes: 4 });
        assert_eq!(ability.speeds.len(), 2, "what is unknown is ignored");
        assert_eq!((kernels.short.as_deref(), kernels.long.as_deref()), (Some("avx512"), None));
        assert_eq!(software, "a\u{fffd}");
    }

    #[test]
    fn every_class_has_its_kernel() {
        let rates = Class::ALL.map(|class| (class, 1, "avx512"));
        let Newcomer { ability, kernels, .. } = heard("bee", 1, &rates).unwrap();
        assert!(ability.speeds.keys().copied().eq(std::collections::BTreeSet::from(Class::ALL)));
        assert!(matches!(&kernels.by_name()[..], [("avx512", classes)] if classes.len() == Class::ALL.len()));
        // Of a Drone that an older Queen wrote down.
        let old = r#"{"short":"avx2","long":null,"sha256d":null,"hmac":null,"pbkdf2":null}"#;
        let old: Kernels = serde_json::from_str(old).unwrap();
        assert_eq!(old, Kernels { short: Some("avx2".to_owned()), ..Kernels::default() });
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refused = |name, threads, rates: &[_]| heard(name, threads, rates).unwrap_err();
        assert!(refused("", 1, &[]).contains("1 to 64 bytes"));
        for software in ["", &"a".repeat(65)] {
            assert!(heard_of("bee", software, 1, &[]).unwrap_err().contains("software has 1 to 64 bytes"));
        }
        assert!(refused("bee", 0, &[]).contains("at least one thread"));
        assert!(refused("bee", 1, &[(Class::SHORT, 0, "a")]).contains("class 1.0 has no lanes"));
        assert!(refused("bee", 1, &[(Class::SHORT, 1, "a"), (Class::SHORT, 1, "a")]).contains("given twice"));
        for kernel in ["", "a\nb", "\u{202e}", &"a".repeat(33)] {
            assert!(refused("bee", 1, &[(Class::LONG, 1, kernel)]).contains("printable ASCII"), "{kernel:?}");
        }
    }
}
