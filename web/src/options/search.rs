//! A search's options.

use wire::sieve::DigestOrder;
use wire::space::CounterFormat;

use super::fault::{fault, unknown};
use super::given::Options;
use super::lists::{Listed, MaskLine};
use super::names::CHARSETS;
use crate::error::{Problem, shown};
use crate::kinds::digest::Encoding;
use crate::kinds::search::{
    self, Algorithm, Bounds, Charsets, FORMATS, MAX_AROUND, MAX_FINDINGS, MaskError, MaskFault, Masker, Masks, Search,
    Sought, SoughtError, Space, SpaceError, Stop, Targets, format_name, mark_bits,
};

/// Takes what belongs to a search.
pub(super) fn specification(options: &mut Options) -> Result<Search, Problem> {
    let algorithm = match options.text("algorithm")?.as_deref() {
        None | Some("sha256") => Algorithm::Sha256,
        Some("sha256d") => Algorithm::Sha256d,
        Some(other) => return Err(unknown("algorithm", other, "sha256, sha256d, for a search")),
    };
    let prefix = around(options, "prefix", "prefix_hex", "prefix_base64")?;
    let suffix = around(options, "suffix", "suffix_hex", "suffix_base64")?;
    let lists = options.lists();
    let space = space(options, &lists.masks)?;
    let sought = sought(options, &lists.targets)?;
    let stop = stop(options, &sought)?;
    let max_findings = options.number("max_findings", 1..=MAX_FINDINGS)?.unwrap_or(MAX_FINDINGS);
    let targets = match &sought {
        Sought::Targets { count, .. } => *count,
        Sought::Interval { .. } => 1,
    };
    let total = space.total().ok_or_else(|| fault(options.space(), too_large("candidates")))?;
    let mark_bits = mark_bits(total, targets);
    let search = Search { algorithm, prefix, suffix, space, sought, stop, max_findings, mark_bits };
    if search.compressions().is_none() {
        return Err(fault(options.space(), too_large("SHA-256 compressions to compute")));
    }
    check_findings(&search, total)?;
    Ok(search)
}

fn too_large(what: &str) -> String {
    format!("there are more than 2^63 {what}, which is the most of one search; make several searches of it")
}

/// What stands before or behind each candidate.
fn around(
    options: &mut Options,
    name: &'static str,
    hex: &'static str,
    base64: &'static str,
) -> Result<Vec<u8>, Problem> {
    let given = [hex, base64].into_iter().find(|other| options.has(other)).unwrap_or(name);
    let given = options.place(given);
    let bytes = options.bytes(name, &[(hex, Encoding::Hex), (base64, Encoding::Base64)])?.unwrap_or_default();
    if bytes.len() > MAX_AROUND {
        return Err(fault(given, format!("`{given}` is longer than {MAX_AROUND} bytes")));
    }
    Ok(bytes)
}

fn space(options: &mut Options, masks: &[MaskLine]) -> Result<Space, Problem> {
    let is_counter = ["counter_from", "counter_to"].iter().any(|name| options.has(name));
    let (mask, is_list) = (options.place("mask"), !masks.is_empty());
    let (list, counter) = (options.place("masks"), options.place("counter_to"));
    let names = [(mask, options.has("mask")), (list, is_list), (counter, is_counter)];
    let given: Vec<&str> = names.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect();
    match given[..] {
        [_] if is_counter => self::counter(options),
        [_] if is_list => union(options, masks),
        [_] => one_mask(options),
        [] => {
            Err(fault(options.space(), format!("a search needs candidates: give `{mask}`, `{list}`, or `{counter}`")))
        }
        [one, other, ..] => {
            Err(fault(other, format!("`{one}` and `{other}` are two ways to say which candidates there are; use one")))
        }
    }
}

/// What reads masks, with the custom charsets that were given.
fn masker(options: &mut Options) -> Result<Masker, Problem> {
    let mut charsets = Charsets::default();
    for (charset, name) in charsets.iter_mut().zip(CHARSETS) {
        *charset = options.text(name)?.unwrap_or_default();
    }
    Masker::new(charsets).map_err(|error| {
        let name = error.charset.and_then(|number| CHARSETS.get(number - 1)).copied().unwrap_or_default();
        mask_fault(options.place(name), &error)
    })
}

fn one_mask(options: &mut Options) -> Result<Space, Problem> {
    let (place, mut masker) = (options.place("mask"), masker(options)?);
    let mask = options.text("mask")?.unwrap_or_default();
    let min_length = options.number("min_length", 1..=256)?.map(|length| length as usize);
    masker.add(&mask, min_length).map_err(|error| match error.what {
        MaskFault::MinLength { .. } => mask_fault(options.place("min_length"), &error),
        _ => mask_fault(place, &error),
    })?;
    match Masks::new(masker.finish()) {
        Ok(masks) => Ok(Space::Masks(masks)),
        Err(SpaceError::TooLarge { .. }) => Err(fault(place, format!("`{place}`: {}", too_large("candidates")))),
        Err(error) => Err(fault(place, format!("`{place}`: {error}"))),
    }
}

fn mask_fault(place: &str, error: &MaskError) -> Problem {
    match error.character {
        Some(character) => {
            fault(place, format!("`{place}`, character {character}: {error}")).with("character", character)
        }
        None => fault(place, format!("`{place}`: {error}")),
    }
}

fn union(options: &mut Options, masks: &[MaskLine]) -> Result<Space, Problem> {
    let (place, mut masker) = (options.place("masks"), masker(options)?);
    if options.has("min_length") {
        let (name, mask) = (options.place("min_length"), options.place("mask"));
        let detail = format!("`{name}` belongs to a single `{mask}`: add the shorter ones to `{place}`");
        return Err(fault(name, detail));
    }
    for mask in masks {
        masker.add_line(&mask.text).map_err(|error| {
            let charset = error.charset.map(|number| format!("charset {number}, ")).unwrap_or_default();
            let character = error.character.map(|character| format!("character {character}: ")).unwrap_or_default();
            let problem = mask.place.fault(place, &format!("{charset}{character}{error}"));
            match error.character {
                Some(character) => problem.with("character", character),
                None => problem,
            }
        })?;
    }
    Masks::new(masker.finish()).map(Space::Masks).map_err(|error| match error {
        SpaceError::TooLarge { mask } => {
            let at = masks.get(mask).map_or(Listed::Index(mask), |mask| mask.place);
            at.fault(place, &too_large("candidates with this mask"))
        }
        SpaceError::Empty => fault(place, format!("`{place}`: {error}")),
    })
}

fn counter(options: &mut Options) -> Result<Space, Problem> {
    let place = options.place("counter_to");
    let from = options.number("counter_from", 0..=u64::MAX)?.unwrap_or(0);
    let to = options.number("counter_to", 1..=u64::MAX)?;
    let to = to.ok_or_else(|| {
        fault(place, format!("a counter needs an end: give `{place}`, which is behind the last number"))
    })?;
    let format = match options.text("counter_format")? {
        None => CounterFormat::Decimal,
        Some(text) => FORMATS.into_iter().find(|format| format_name(*format) == text).ok_or_else(|| {
            let (place, names) = (options.place("counter_format"), FORMATS.map(format_name).join(", "));
            fault(place, format!("`{place}`: there is no format `{}`; there are: {names}", shown(&text)))
        })?,
    };
    if from >= to {
        return Err(fault(place, format!("`{place}` is {to}, which is not behind the first number, {from}")));
    }
    let max = format.max();
    if to - 1 > max {
        let name = format_name(format);
        return Err(fault(place, format!("`{place}` is behind {}, and {name} cannot write more than {max}", to - 1)));
    }
    Ok(Space::Counter { from, to, format })
}

fn sought(options: &mut Options, targets: &Targets) -> Result<Sought, Problem> {
    const WAYS: [&[&str]; 3] =
        [&["leading_zero_bits"], &["digest_prefix", "digest_prefix_bits"], &["digest_at_most", "digest_at_least"]];
    let names = WAYS.iter().filter_map(|names| names.iter().find(|name| options.has(name)));
    let mut given = (!targets.is_empty()).then_some("targets").into_iter().chain(names.copied());
    let (first, second) = (given.next(), given.next());
    match (first, second) {
        (None, _) => Err(fault(
            "targets",
            "a search needs something that is sought: `targets`, `leading_zero_bits`, `digest_prefix`, or \
             `digest_at_most` or `digest_at_least`"
                .to_owned(),
        )),
        (Some(one), Some(other)) => {
            Err(fault(other, format!("`{one}` and `{other}` are two ways to say what is sought; use one")))
        }
        (Some("targets"), None) => Ok(Sought::Targets { count: targets.len() as u64, digests: targets.bytes() }),
        (Some(_), None) => interval(options),
    }
}

fn interval(options: &mut Options) -> Result<Sought, Problem> {
    let order = match options.text("digest_order")?.as_deref() {
        None | Some("big") => DigestOrder::Big,
        Some("little") => DigestOrder::Little,
        Some(other) => return Err(unknown("digest_order", other, "big, little")),
    };
    let (mut from, mut to) = search::leading_zero_bits(0);
    if let Some(bits) = options.number("leading_zero_bits", 0..=256)? {
        (from, to) = search::leading_zero_bits(bits as usize);
    }
    let mut taken = |name, read: fn(&str) -> Result<Bounds, SoughtError>| -> Result<Option<Bounds>, Problem> {
        let Some(text) = options.text(name)? else { return Ok(None) };
        let place = options.place(name);
        read(&text).map(Some).map_err(|error| fault(place, format!("`{place}`: {error}")))
    };
    match (taken("digest_prefix", search::hex)?, taken("digest_prefix_bits", search::bits)?) {
        (Some(_), Some(_)) => {
            let detail = "`digest_prefix` is either in hexadecimal or in bits".to_owned();
            return Err(fault("digest_prefix", detail));
        }
        (Some(both), None) | (None, Some(both)) => (from, to) = both,
        (None, None) => {}
    }
    if let Some((_, most)) = taken("digest_at_most", search::hex)? {
        to = most;
    }
    if let Some((least, _)) = taken("digest_at_least", search::hex)? {
        from = least;
    }
    match from <= to {
        true => Ok(Sought::Interval { order, from, to }),
        false => Err(fault("digest_at_least", "`digest_at_least` is above `digest_at_most`".to_owned())),
    }
}

fn stop(options: &mut Options, sought: &Sought) -> Result<Stop, Problem> {
    let Some(name) = options.text("stop")? else {
        return Ok(match sought {
            Sought::Targets { .. } => Stop::All,
            Sought::Interval { .. } => Stop::First,
        });
    };
    let stop = Stop::ALL.into_iter().find(|stop| stop.name() == name);
    match stop.ok_or_else(|| unknown("stop", &name, &Stop::ALL.map(Stop::name).join(", ")))? {
        Stop::All if matches!(sought, Sought::Interval { .. }) => {
            let detail = "`stop` is `all` only where `targets` are sought; take first, lowest or never".to_owned();
            Err(fault("stop", detail))
        }
        stop => Ok(stop),
    }
}

/// Refuses a search that would end because of too many findings, though it is not to end before all is searched.
fn check_findings(search: &Search, total: u64) -> Result<(), Problem> {
    let (expected, most) = (search.sought.expected(total), search.max_findings);
    if search.stop != Stop::Never || expected <= most as f64 {
        return Ok(());
    }
    let detail = format!(
        "about {expected:.0} findings are expected, and `max_findings` is {most}: seek fewer digests, search fewer \
         candidates, or let it `stop` at the `first` finding"
    );
    Err(fault("max_findings", detail))
}
