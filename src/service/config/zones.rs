//! Names of time zones that are like one that is none.

use jiff::tz;

use super::reader::distance;

/// Names that are told; more nobody reads.
const TOLD: usize = 3;

/// What to write where a name is no time zone.
pub(super) fn hint(wrong: &str) -> String {
    let names: Vec<String> = tz::db().available().map(|name| name.as_str().to_owned()).collect();
    let near = near(wrong, &names);
    match near.as_slice() {
        [] => "a name such as \"Asia/Shanghai\"; is tzdata installed?".to_owned(),
        near => {
            let quoted: Vec<_> = near.iter().map(|name| format!("{name:?}")).collect();
            format!("did you mean {}?", quoted.join(" or "))
        }
    }
}

/// The likeliest first: those of that town, then those that are spelt like it.
fn near<'a>(wrong: &str, names: &'a [String]) -> Vec<&'a str> {
    let wrong = wrong.trim().replace(' ', "_").to_ascii_lowercase();
    let town = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let mut found: Vec<(usize, &str)> = names
        .iter()
        // The same zones once more, with other leap seconds.
        .filter(|name| !name.starts_with("posix/") && !name.starts_with("right/"))
        .filter_map(|name| {
            let lower = name.to_ascii_lowercase();
            let far = distance(&town(&lower), &town(&wrong)).min(distance(&lower, &wrong));
            // A third of the letters may be wrong.
            (far * 3 <= town(&wrong).len()).then_some((far, name.as_str()))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().take(TOLD).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wrong: &str, wanted: &[&str]) {
        let names = ["Asia/Shanghai", "Asia/Urumqi", "Europe/Berlin", "posix/Asia/Shanghai", "UTC"];
        let names = names.map(ToOwned::to_owned);
        assert_eq!(near(wrong, &names), wanted, "{wrong}");
    }

    #[test]
    fn the_town_alone_or_a_slip_is_recognised() {
        check("Shanghai", &["Asia/Shanghai"]);
        check("asia/shanghei", &["Asia/Shanghai"]);
        check("China/Shanghai", &["Asia/Shanghai"]);
        check("Europe/Berln", &["Europe/Berlin"]);
        check("utc ", &["UTC"]);
        check("Mars/Olympus", &[]);
        check("", &[]);
    }
}
