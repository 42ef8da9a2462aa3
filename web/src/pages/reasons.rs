//! Why lines of a list wait: what several of them have in common is said once, above the list.

/// How reasons begin that speak of one, and how they do of several. What follows may be a name.
const OF_SEVERAL: [(&str, &str); 7] = [
    ("it is ", "they are "),
    ("it cannot ", "they cannot "),
    ("its connection broke", "their connections broke"),
    ("what it looks for, or its key or salt, ", "what they look for, or their key or salt, "),
    (
        "two drones were lost while they computed a part of it, so it ",
        "two drones were lost while they computed a part of each, so each ",
    ),
    (
        "the only drone that can compute it failed, and tries it ",
        "the only drone that can compute them failed, and tries them ",
    ),
    (
        "the drones are busy with other tasks of its priority; its ",
        "the drones are busy with other tasks of their priority; their ",
    ),
];

/// A reason that several lines have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) text: String,
    /// How many lines of the page have it.
    pub(super) count: usize,
}

impl Reason {
    /// It as it is said of several.
    pub(super) fn of_several(&self) -> String {
        let text = self.text.as_str();
        let said = OF_SEVERAL.iter().find_map(|(one, several)| Some(format!("{several}{}", text.strip_prefix(one)?)));
        said.unwrap_or_else(|| text.to_owned())
    }
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
        let several = |text: &str| Reason { text: text.to_owned(), count: 2 }.of_several();
        assert_eq!(several("it is paused"), "they are paused");
        assert_eq!(several("no drone is called it is"), "no drone is called it is");
        assert_eq!((two.number("a"), two.number("b"), two.number("c")), (Some(1), Some(2), None));
    }
}
