//! Detects truncated JPEGs, because the decoder fills missing parts with grey, which must not become training data.

/// Whether the file contains everything from its first marker to the end-of-image marker. Data after that is ignored,
/// for example previews that cameras append.
pub(super) fn is_complete(bytes: &[u8]) -> bool {
    // After the start-of-image marker.
    let mut at = 2;
    while let Some(skip) = bytes.get(at..).and_then(|rest| rest.iter().position(|&b| b == 0xff)) {
        at += skip + 1;
        let Some(&marker) = bytes.get(at) else { return false };
        match marker {
            0xd9 => return true,
            // A stuffed 0xff of the entropy-coded data, a restart or start marker, or a fill byte: no segment follows.
            0x00 | 0x01 | 0xd0..=0xd8 => at += 1,
            0xff => {}
            _ => {
                let Some(&[high, low]) = bytes.get(at + 1..at + 3) else { return false };
                at += 1 + usize::from(u16::from_be_bytes([high, low])).max(2);
            }
        }
    }
    false
}
