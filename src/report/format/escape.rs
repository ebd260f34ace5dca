//! Makes texts from a log harmless for a terminal.

/// The text with everything that could move the cursor, change colours, hide or reorder characters written as `\u{..}`.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    push_visible(&mut shown, text);
    shown
}

/// The same at the end of another text.
pub(super) fn push_visible(shown: &mut String, text: &str) {
    if text.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
        return shown.push_str(text);
    }
    for c in text.chars() {
        match is_harmful(c) {
            true => shown.extend(c.escape_unicode()),
            false => shown.push(c),
        }
    }
}

/// A JSON text with the same written as JSON's own escapes, so that a program reads what was there. The line feeds that lay the text
/// out stay: within strings there are none.
pub(super) fn visible_json(text: String) -> String {
    if text
        .bytes()
        .all(|octet| matches!(octet, b' '..=b'~' | b'\n'))
    {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match is_harmful(c) && c != '\n' {
            true => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    shown.push_str(&format!("\\u{unit:04x}"));
                }
            }
            false => shown.push(c),
        }
    }
    shown
}

/// Control characters, and characters without width of their own that change how others are shown.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::{visible, visible_json};

    #[test]
    fn json_says_the_same_with_and_without_escapes() {
        let text = "a\u{1b}\u{9b}31m\u{202e}\u{e0041}\u{7f}\n\t\"ü";
        let json = serde_json::to_string_pretty(&[text]).unwrap();
        let shown = visible_json(json);
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n'));
        assert!(shown.contains("\\u202e\\udb40\\udc41\\u007f"));
        assert_eq!(serde_json::from_str::<[String; 1]>(&shown).unwrap(), [text]);
    }

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        assert_eq!(
            visible("a\u{1b}[31mb\r\n\u{202e}c\u{9b}"),
            "a\\u{1b}[31mb\\u{d}\\u{a}\\u{202e}c\\u{9b}"
        );
        assert_eq!(visible("müller.example"), "müller.example");
    }
}
