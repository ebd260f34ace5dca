//! The number of a case, as it stands in the subject and the addresses of its letters.
//!
//! Who knows it speaks for the case: an answer with it can end the writing. It therefore follows from a secret of the store, and nobody else can tell
//! it from the names, which anybody may guess.

use ring::hmac;

/// How much of the digest is shown: enough that it is not guessed by trying, and short enough to be typed.
const OCTETS: usize = 4;

/// The token for `text`: eight hexadecimal digits in capitals, always the same with the same secret (HMAC-SHA-256, RFC 2104).
pub(super) fn token(secret: &[u8], text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let digest = hmac::sign(&key, text.as_bytes());
    let head = digest.as_ref().iter().take(OCTETS);
    head.map(|octet| format!("{octet:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_knows_the_secret_can_tell_it() {
        // RFC 4231, test case 2.
        assert_eq!(token(b"Jefe", "what do ya want for nothing?"), "5BDCC146");
        assert_ne!(token(b"a", "out a.example"), token(b"b", "out a.example"));
    }
}
