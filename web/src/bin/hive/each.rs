//! The same for each of several things.

use crate::failure::Failure;
use crate::notes::Notes;

/// Does it to each, whatever came of the others, unless nobody reads the output any more.
///
/// # Errors
/// The first one's, which is told in the end; the others' are told at once.
pub fn of<T>(notes: &Notes, items: &[T], mut deed: impl FnMut(&T) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut first = Ok(());
    for item in items {
        match deed(item) {
            Err(Failure::Unread) => return Err(Failure::Unread),
            Err(failure) if first.is_ok() => first = Err(failure),
            Err(failure) => notes.note(&failure.to_string()),
            Ok(()) => {}
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_fails_does_not_stop_the_others() {
        let mut done = Vec::new();
        let failure = of(&Notes::default(), &[1, 2, 3], |item| {
            done.push(*item);
            if *item == 3 { Ok(()) } else { Err(Failure::Here(item.to_string())) }
        });
        assert_eq!(done, [1, 2, 3]);
        assert_eq!(failure.unwrap_err().to_string(), "1");
    }
}
