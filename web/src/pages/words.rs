//! What forms call the options of a request, for people who see labels and not the API's names.

use crate::options::CHARSETS;

/// Options, and what they are called within a sentence.
const WORDS: [(&str, &str); 29] = [
    ("algorithm", "the algorithm"),
    ("key", "the key"),
    ("key_hex", "the key in hexadecimal"),
    ("salt", "the salt"),
    ("salt_hex", "the salt in hexadecimal"),
    ("iterations", "the number of iterations"),
    ("name", "the name"),
    ("priority", "the priority"),
    ("deadline_seconds", "the deadline in seconds"),
    ("text", "the strings"),
    ("file", "the file"),
    ("mask", "the mask"),
    ("min_length", "the shortest length"),
    ("masks", "the masks"),
    ("counter_from", "the first number"),
    ("counter_to", "the end of the numbers"),
    ("targets", "the digests"),
    ("leading_zero_bits", "the number of leading zero bits"),
    ("digest_prefix", "the beginning in hexadecimal"),
    ("digest_prefix_bits", "the beginning in bits"),
    ("digest_at_most", "the highest digest"),
    ("digest_at_least", "the lowest digest"),
    ("digest_order", "the order of bytes"),
    ("stop", "stop"),
    ("max_findings", "the limit of findings"),
    ("prefix", "the text before it"),
    ("prefix_hex", "the text before it in hexadecimal"),
    ("suffix", "the text behind it"),
    ("suffix_hex", "the text behind it in hexadecimal"),
];

/// What an option is called; `None` of one that no form has under a name of its own.
pub(super) fn of(name: &str) -> Option<&'static str> {
    WORDS.iter().find(|(option, _)| *option == name).map(|(_, words)| *words)
}

/// What is wrong, with options called as the form does that they were typed into.
pub(super) fn spoken(detail: &str) -> String {
    let options = WORDS.iter().map(|(name, words)| (*name, (*words).to_owned()));
    let charsets = (1..).zip(CHARSETS).map(|(number, name)| (name, format!("your charset ?{number}")));
    // A field that is left empty is the page's null.
    let detail = detail.replace(" with `null`", "");
    options.chain(charsets).fold(detail, |text, (name, words)| text.replace(&format!("`{name}`"), &words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_called_as_forms_call_them() {
        assert_eq!(
            spoken("this algorithm needs `salt`, or `salt_hex`"),
            "this algorithm needs the salt, or the salt in hexadecimal"
        );
        assert_eq!(
            spoken("give it a new one with `deadline_seconds`, or none with `null`"),
            "give it a new one with the deadline in seconds, or none"
        );
        assert_eq!(spoken("`charset2`, character 1: `?` and `\\,`"), "your charset ?2, character 1: `?` and `\\,`");
        assert_eq!((of("text"), of("kind")), (Some("the strings"), None));
    }
}
