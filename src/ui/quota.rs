//! Formats the pull quota of a registry as a sentence.

use super::plural::plural;
use crate::facts::RateLimit;

/// Whether less than a tenth of the quota remains. A cluster uses that up quickly when all nodes pull images.
pub(super) fn is_low(quota: &RateLimit) -> bool {
    quota.remaining.zip(quota.limit).is_some_and(|(remaining, limit)| remaining <= limit / 10)
}

/// `76 of 100 pulls left in 6 h`.
pub(super) fn quota(RateLimit { limit, remaining, window }: RateLimit) -> String {
    let count = |pulls: u64| plural(usize::try_from(pulls).unwrap_or(usize::MAX), "pull");
    let pulls = match (remaining, limit) {
        (Some(remaining), Some(limit)) => format!("{remaining} of {} left", count(limit)),
        (Some(remaining), None) => format!("{} left", count(remaining)),
        (None, limit) => format!("{} allowed", count(limit.unwrap_or_default())),
    };
    match window {
        Some(seconds) if seconds > 0 && seconds % 3600 == 0 => format!("{pulls} in {} h", seconds / 3600),
        Some(seconds) => format!("{pulls} in {seconds} s"),
        None => pulls,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas() {
        let cases = [
            ((Some(100), Some(76), Some(21_600)), "76 of 100 pulls left in 6 h", false),
            ((Some(100), Some(10), Some(90)), "10 of 100 pulls left in 90 s", true),
            ((Some(100), Some(11), None), "11 of 100 pulls left", false),
            ((Some(5), Some(0), None), "0 of 5 pulls left", true),
            ((None, Some(1), None), "1 pull left", false),
            ((Some(200), None, None), "200 pulls allowed", false),
        ];
        for ((limit, remaining, window), text, low) in cases {
            let found = RateLimit { limit, remaining, window };
            assert_eq!((quota(found).as_str(), is_low(&found)), (text, low));
        }
    }
}
