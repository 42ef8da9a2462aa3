//! Why lines of a list wait: what several of them have in common is said once, above the list.

/// A reason that several lines have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) text: String,
    /// How many lines of the page have it.
    pub(super) count: usize,
}

/// The reasons of a page that several lines have, in the order in which they come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reasons {
    pub(super) shared: Vec<Reason>,
}

impl Reasons {
    /// Those that come more than once.
    pub(super) fn of<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Self {
        let mut shared: Vec<Reason> = Vec::new();
        for text in texts.flatten() {
            match shared.iter_mut().find(|reason| reason.text == text) {
                Some(reason) => reason.count += 1,
                None => shared.push(Reason { text: text.to_owned(), count: 1 }),
            }
        }
        shared.retain(|reason| reason.count > 1);
        Self { shared }
    }

    /// Whether a reason stands above the list.
    pub(super) fn has(&self, text: &str) -> bool {
        self.shared.iter().any(|reason| reason.text == text)
    }

    /// By which number a reason is found there, where there are several.
    pub(super) fn number(&self, text: &str) -> Option<usize> {
        let at = self.shared.iter().position(|reason| reason.text == text)?;
        (self.shared.len() > 1).then_some(at + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_have_in_common_is_said_once() {
        let of = |texts: &[Option<&'static str>]| Reasons::of(texts.iter().copied());
        assert_eq!(of(&[Some("a"), None, Some("b")]), Reasons::default());
        let one = of(&[Some("a"), Some("b"), Some("a")]);
        assert_eq!(one.shared, [Reason { text: "a".to_owned(), count: 2 }]);
        assert_eq!((one.has("a"), one.has("b"), one.number("a")), (true, false, None));
        let two = of(&[Some("a"), Some("b"), Some("b"), Some("a")]);
        assert_eq!((two.number("a"), two.number("b"), two.number("c")), (Some(1), Some(2), None));
    }
}
