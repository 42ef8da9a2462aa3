//! Text of others, before people see it.

/// Whether a character is not seen where it stands, or hides or reorders others: control characters,
/// line and paragraph separators, and format characters such as U+202E (general categories Cc, Zl, Zp
/// and Cf of Unicode 16).
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{890}'..='\u{891}'
                | '\u{8e2}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{110bd}'
                | '\u{110cd}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0001}'
                | '\u{e0020}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_known() {
        let hidden = ['\0', '\n', '\x1b', '\x7f', '\u{9b}', '\u{ad}', '\u{200b}', '\u{2029}', '\u{202e}', '\u{2066}'];
        assert!(hidden.into_iter().all(is_hidden));
        assert!(['\u{feff}', '\u{e0041}'].into_iter().all(is_hidden));
        // A combining accent and an emoji's variation selector are seen with what they stand behind.
        let shown = [' ', 'a', '\u{e9}', '\u{301}', '\u{fe0f}', '\u{1f41d}', '\u{5d0}', '\u{3000}'];
        assert!(!shown.into_iter().any(is_hidden));
    }
}
