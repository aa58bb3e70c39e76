//! Moments as RFC 3339 writes them, in UTC.

const DAY_S: i64 = 86_400;

/// Days in 400 years: the calendar repeats after them.
const ERA_DAYS: i64 = 146_097;

/// From 0000-03-01, the begin of an era, to 1970-01-01. A year that begins in March has its leap
/// day at its end.
const EPOCH_DAYS: i64 = 719_468;

/// Unix seconds as `2026-11-21T08:00:00Z`; `None` outside of the years 0 to 9999.
#[must_use]
pub(super) fn rfc3339(unix_s: i64) -> Option<String> {
    let (year, month, day) = date(unix_s.div_euclid(DAY_S));
    if !(0..=9999).contains(&year) {
        return None;
    }
    let second = unix_s.rem_euclid(DAY_S);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}

/// Year, month and day of a number of days since 1970-01-01. All divisions round down.
fn date(unix_days: i64) -> (i64, i64, i64) {
    let days = unix_days + EPOCH_DAYS;
    let (era, day) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    // Of the leap days before this one: every 4th year, not every 100th, the 400th again.
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    // From March on, every five months have 153 days.
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next_year, month, day_of_month)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn moments_are_written_in_utc() {
        for (unix_s, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_000_000, "2026-11-18T11:06:40Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(unix_s).unwrap(), text);
        }
        assert_eq!(rfc3339(253_402_300_800), None);
        assert_eq!(rfc3339(i64::MIN), None);
        assert_eq!(rfc3339(i64::MAX), None);
    }

    #[test]
    fn every_day_follows_the_day_before() {
        let mut last = date(-719_528);
        assert_eq!(last, (0, 1, 1));
        for day in -719_527..100_000 {
            let (next, leap) =
                (date(day), last.0 % 4 == 0 && (last.0 % 100 != 0 || last.0 % 400 == 0));
            let length = match last.1 {
                2 => 28 + i64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            let wanted = match (last.1, last.2) {
                (12, 31) => (last.0 + 1, 1, 1),
                (month, end) if end == length => (last.0, month + 1, 1),
                (month, day) => (last.0, month, day + 1),
            };
            assert_eq!(next, wanted);
            last = next;
        }
    }
}
