//! Hexadecimal encoding.

/// Lower-case hexadecimal digits of `bytes`, two for each.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.as_ref().iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn encode_writes_two_lower_case_digits_a_byte() {
        assert_eq!(super::encode([0x00, 0x0f, 0xa5, 0xff]), "000fa5ff");
        assert_eq!(super::encode([]), "");
    }
}
