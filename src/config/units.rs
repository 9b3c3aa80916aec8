//! Parsers of values with units and bounds: sizes such as `32MiB`, times such as `10s` or `500ms`, and counts.

use std::{ops::RangeInclusive, time::Duration};

use clap::builder::RangedU64ValueParser;

const SIZES: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];
const TIMES: [(&str, u64); 3] = [("ms", 1), ("min", 60_000), ("s", 1000)];

/// Parser of a count within bounds.
pub(super) fn count(allowed: RangeInclusive<u64>) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(allowed)
}

/// Parser of a size in bytes within bounds: `1048576`, `512KiB`, `32MiB`, `1GiB`.
pub(super) fn size(allowed: RangeInclusive<usize>) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync {
    move |text| {
        let size = scaled(text, &SIZES, 1).and_then(|bytes| usize::try_from(bytes).ok());
        let size = size.ok_or("a size is a whole number of bytes, or is followed by KiB, MiB or GiB")?;
        if allowed.contains(&size) {
            return Ok(size);
        }
        Err(format!("allowed are {} to {}", with_unit(*allowed.start()), with_unit(*allowed.end())))
    }
}

/// Parser of a time above zero and up to `max` seconds: `10`, `10s`, `500ms`, `2min`.
pub(super) fn time(max: u64) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync {
    move |text| {
        let ms = scaled(text, &TIMES, 1000);
        let ms = ms.ok_or("a time is a whole number of seconds, or is followed by ms, s or min")?;
        if (1..=max * 1000).contains(&ms) {
            return Ok(Duration::from_millis(ms));
        }
        Err(format!("allowed are 1ms to {max}s"))
    }
}

/// Parses a number with an optional unit; `without` is the scale of a number without one.
fn scaled(text: &str, units: &[(&str, u64)], without: u64) -> Option<u64> {
    let found = units.iter().find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, *scale)));
    let (number, scale) = found.unwrap_or((text, without));
    number.trim_end().parse::<u64>().ok()?.checked_mul(scale)
}

/// A size with the largest unit of which it is a multiple.
fn with_unit(size: usize) -> String {
    let size = size as u64;
    let fits = SIZES.iter().filter(|(_, scale)| size.is_multiple_of(*scale)).max_by_key(|(_, scale)| *scale);
    fits.map_or_else(|| size.to_string(), |(unit, scale)| format!("{}{unit}", size / scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_parsed_with_their_units() {
        let read = size(1..=1 << 40);
        assert_eq!(read("1024"), Ok(1024));
        assert_eq!(read("7B"), Ok(7));
        assert_eq!(read("512KiB"), Ok(512 << 10));
        assert_eq!(read("32 MiB"), Ok(32 << 20));
        assert_eq!(read("1GiB"), Ok(1 << 30));
        let read = time(3600);
        assert_eq!(read("10"), Ok(Duration::from_secs(10)));
        assert_eq!(read("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(read("2min"), Ok(Duration::from_secs(120)));
        assert_eq!(read("3s"), Ok(Duration::from_secs(3)));
    }

    #[test]
    fn errors_name_the_allowed_values() {
        let read = size(1 << 10..=1 << 30);
        for text in ["", "MiB", "-1", "1.5MiB", "1 mb", "99999999999999999999", "18446744073709551615KiB"] {
            assert!(read(text).is_err_and(|error| error.contains("whole number")), "{text}");
        }
        assert_eq!(read("1023"), Err("allowed are 1KiB to 1GiB".into()));
        let read = time(60);
        for text in ["", "s", "soon", "1h", "1.5s"] {
            assert!(read(text).is_err_and(|error| error.contains("whole number")), "{text}");
        }
        for text in ["0", "0ms", "61", "2min"] {
            assert_eq!(read(text), Err("allowed are 1ms to 60s".into()), "{text}");
        }
    }
}
