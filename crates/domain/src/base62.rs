//! Digits, capital and small letters: what random texts are made of.

use crate::ports::{PortError, RandomSource};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The last digit of `value` in base62.
pub(crate) fn digit(value: u32) -> char {
    char::from(ALPHABET[value as usize % ALPHABET.len()])
}

/// Appends `number` random characters to `text`, each as likely as any other. Room for them leaves no
/// copy of a secret behind.
///
/// # Errors
///
/// What `random` answers when it has no randomness to give.
pub(crate) fn push_random(
    text: &mut String,
    number: usize,
    random: &dyn RandomSource,
) -> Result<(), PortError> {
    let mut wanted = number;
    while wanted > 0 {
        let mut bytes = [0; 64];
        random.fill(&mut bytes)?;
        // Bytes from 248 up are thrown away: 256 is no multiple of 62, and a remainder would
        // make the first eight characters likelier than the others.
        for byte in bytes.iter().filter(|byte| usize::from(**byte) < ALPHABET.len() * 4).take(wanted) {
            text.push(digit(u32::from(*byte)));
            wanted -= 1;
        }
    }
    Ok(())
}
