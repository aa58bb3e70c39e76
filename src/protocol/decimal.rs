//! Decimal texts made from integers, exactly.

/// A number of units of 10^-`places` with exactly that many digits behind the point, such as
/// `12.30`; without a point for 0 places.
#[must_use]
pub(super) fn fixed(units: impl Into<i128>, places: usize) -> String {
    let units = units.into();
    let sign = if units < 0 { "-" } else { "" };
    let mut text = format!("{:0width$}", units.unsigned_abs(), width = places + 1);
    if places > 0 {
        text.insert(text.len() - places, '.');
    }
    format!("{sign}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_and_keep_their_places() {
        assert_eq!(fixed(12_300, 3), "12.300");
        assert_eq!(fixed(-5, 2), "-0.05");
        assert_eq!(fixed(0, 1), "0.0");
        assert_eq!(fixed(7, 0), "7");
        assert_eq!(fixed(u64::MAX, 3), "18446744073709551.615");
        assert_eq!(fixed(i64::MIN, 3), "-9223372036854775.808");
    }
}
