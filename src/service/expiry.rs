//! Looks after the end of the doors' certificate.

use std::{sync::Arc, time::Duration};

use crate::{
    broker::Doors,
    clock::Clock,
    site::{Input, alarm::DoorsTrouble},
};

/// Days before its end in which it is to be renewed.
const NOTICE_DAYS: i64 = 30;

const DAY_S: i64 = 86_400;

/// Between looks: a renewed certificate ends the alarm within it.
const INTERVAL: Duration = Duration::from_secs(60);

/// What is to be said of a certificate whose last second is `ends_s`; nothing while there is time,
/// or while nobody knows the time (unix seconds).
#[must_use]
pub fn warning(ends_s: u64, now_s: Option<i64>) -> Option<String> {
    let left_s = i64::try_from(ends_s).unwrap_or(i64::MAX).saturating_sub(now_s?);
    let days = left_s.div_euclid(DAY_S);
    match days {
        ..0 => Some("the doors' certificate has expired; piles that check it stay away".to_owned()),
        0..NOTICE_DAYS => Some(format!("the doors' certificate expires in {days} days")),
        _ => None,
    }
}

/// Tells the site whenever there is something else to be said of the certificate. Ends with the
/// site.
pub(super) async fn watch(doors: Doors, clock: Arc<Clock>, inbox: flume::Sender<Input>) {
    let mut told = None;
    loop {
        let now_s = clock.now().wall.known_s();
        let news = doors.certificate_ends_s().and_then(|ends_s| warning(ends_s, now_s));
        if news != told {
            told.clone_from(&news);
            let input = Input::Doors { trouble: DoorsTrouble::CertificateEnds, text: news };
            if inbox.send_async(input).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_spoken_of_in_its_last_month_and_after_it() {
        const END: u64 = 1_800_000_000;
        const END_S: i64 = 1_800_000_000;
        for (left_s, wanted) in [
            (30 * DAY_S, None),
            (30 * DAY_S - 1, Some("expires in 29 days")),
            (DAY_S, Some("expires in 1 days")),
            (0, Some("expires in 0 days")),
            (-1, Some("has expired")),
        ] {
            let told = warning(END, Some(END_S - left_s));
            assert_eq!(told.is_some(), wanted.is_some(), "{left_s}: {told:?}");
            assert!(told.unwrap_or_default().contains(wanted.unwrap_or_default()), "{left_s}");
        }
        assert_eq!(warning(END, None), None);
        assert_eq!(warning(u64::MAX, Some(END_S)), None);
    }
}
