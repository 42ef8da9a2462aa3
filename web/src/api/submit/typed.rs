//! What was typed into the page's form, so that it can come back with an error beside its field.

use std::collections::BTreeMap;

use crate::room::Share;

/// The most that is kept of a form, in bytes.
const TYPED_MAX: usize = 512 << 10;

/// What was typed into a form.
#[derive(Debug, Default)]
pub(crate) struct Typed {
    options: BTreeMap<String, String>,
    text: Vec<u8>,
    /// A file was chosen, which a page cannot choose again.
    has_file: bool,
    /// There was more than is kept.
    is_cut: bool,
    /// Bytes that are kept.
    kept: usize,
    /// What these take of the room; none if nothing is to be kept.
    share: Option<Share>,
}

impl Typed {
    /// Of a form that is about to be read, kept in this share of the room.
    pub(super) fn begin(share: Share) -> Self {
        Self { share: Some(share), ..Self::default() }
    }

    /// Of a form that nobody looks at again: nothing is kept.
    pub(super) fn nothing() -> Self {
        Self { is_cut: true, ..Self::default() }
    }

    pub(super) fn add_option(&mut self, name: &str, value: &[u8]) {
        if self.has_room_for(value) {
            self.options.insert(name.to_owned(), String::from_utf8_lossy(value).into_owned());
        }
    }

    pub(super) fn add_text(&mut self, part: &[u8]) {
        if self.has_room_for(part) {
            self.text.extend_from_slice(part);
        }
    }

    pub(super) fn add_file(&mut self) {
        self.has_file = true;
    }

    /// Whether more of it can be kept.
    pub(super) fn has_room(&self) -> bool {
        !self.is_cut
    }

    fn has_room_for(&mut self, part: &[u8]) -> bool {
        self.kept += part.len();
        let has_room = |share: &mut Share| self.kept <= TYPED_MAX && share.cover(self.kept).is_ok();
        self.is_cut |= !self.share.as_mut().is_some_and(has_room);
        !self.is_cut
    }

    /// The values of the fields. Half of the strings would pass for all, so that they are left out if
    /// they are too long.
    pub(crate) fn values(self) -> BTreeMap<String, String> {
        let mut values = self.options;
        if !self.is_cut {
            values.insert("text".to_owned(), String::from_utf8_lossy(&self.text).into_owned());
        }
        values
    }

    /// What is to be given again, as a sentence.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        match (self.has_file, self.is_cut) {
            (true, false) => Some("Choose the file again."),
            (false, true) => Some("The strings are too long to be shown again; your browser's Back has them still."),
            (true, true) => Some("Choose the file again; the strings are too long to be shown again."),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::Room;

    fn begin() -> Typed {
        Typed::begin(Room::new(1 << 20).share())
    }

    #[test]
    fn what_is_too_long_is_left_out() {
        let mut typed = begin();
        typed.add_option("name", b"bees");
        typed.add_text(b"one\r\n");
        typed.add_text("zw\u{f6}lf".as_bytes());
        let left = TYPED_MAX - typed.kept;
        typed.add_text(&vec![b'x'; left]);
        assert!(typed.has_room() && typed.missing().is_none());
        typed.add_text(b"x");
        assert!(!typed.has_room() && typed.missing().is_some());
        assert_eq!(typed.values(), BTreeMap::from([("name".to_owned(), "bees".to_owned())]));
        assert!(!Typed::nothing().has_room());
        let mut typed = Typed::begin(Room::new(100).share());
        typed.add_text(&[b'x'; 101]);
        assert!(!typed.has_room(), "there is no room for it");
    }

    #[test]
    fn what_was_typed_comes_back() {
        let mut typed = begin();
        typed.add_option("salt", b"pepper");
        for part in ["one\r\nzw", "\u{f6}lf"] {
            typed.add_text(part.as_bytes());
        }
        typed.add_file();
        assert_eq!(typed.missing(), Some("Choose the file again."));
        let expected = [("salt", "pepper"), ("text", "one\r\nzw\u{f6}lf")];
        assert_eq!(typed.values(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
}
