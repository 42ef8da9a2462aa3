//! Lines of `.hcmask` files: the custom charsets of a mask, if it has any, and the mask, with commas between them.

/// The fields of a line of an `.hcmask` file; there is at least one.
pub(super) fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let character = match character {
            ',' => {
                fields.push(String::new());
                continue;
            }
            '\\' => characters.next(),
            other => Some(other),
        };
        if let Some(field) = fields.last_mut() {
            field.extend(character);
        }
    }
    fields
}

/// A mask and the charsets that it needs as a line of an `.hcmask` file.
pub(super) fn line(mask: &str, charsets: &[String]) -> String {
    let mut line = String::new();
    for (at, field) in charsets.iter().map(String::as_str).chain([mask]).enumerate() {
        if at > 0 {
            line.push(',');
        }
        for character in field.chars() {
            if matches!(character, ',' | '\\') || line.is_empty() && character == '#' {
                line.push('\\');
            }
            line.push(character);
        }
    }
    line
}
