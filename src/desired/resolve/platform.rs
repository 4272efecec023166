//! `oregano_platform`, `oregano_wait` and `oregano_rollout_timeout`: what the cluster is, and how long a run waits for it.

use std::time::Duration;

use jiff::SignedDuration;

use crate::desired::platform::{Platform, Waits};

use super::members;
use super::registry_host::problem_about;
use super::variable_reader::VariableReader;

/// What the cluster is.
pub(super) const PLATFORM: &str = "oregano_platform";
/// How long service accounts are waited for.
pub(super) const WAIT: &str = "oregano_wait";
/// How long a rollout is waited for that makes no progress.
pub(super) const ROLLOUT_TIMEOUT: &str = "oregano_rollout_timeout";

/// The variable that every inventory of openshift-ansible 3.11 has.
const DEPLOYMENT_TYPE: &str = "openshift_deployment_type";
/// The longest time that a run waits.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The platform; `None` if the variables do not say it, or if there is a problem.
pub(super) fn of_host(reader: &mut VariableReader<'_>) -> Option<Platform> {
    if reader.raw(PLATFORM).is_some() {
        let text = reader.text(PLATFORM)?;
        return members::choice(reader, &text, &format!("`{PLATFORM}`"), &Platform::ALL.map(|one| (one.name(), one)));
    }
    // A problem of this variable is reported where the registries are read.
    let deployment_type = reader.node_or_none(DEPLOYMENT_TYPE).filter(|node| !node.is_blank());
    deployment_type.map(|_| Platform::OpenShift3)
}

/// How long a run waits.
pub(super) fn waits(reader: &mut VariableReader<'_>) -> Waits {
    let default = Waits::default();
    Waits {
        service_accounts: duration(reader, WAIT).unwrap_or(default.service_accounts),
        rollout: duration(reader, ROLLOUT_TIMEOUT).unwrap_or(default.rollout),
    }
}

fn duration(reader: &mut VariableReader<'_>, variable: &str) -> Option<Duration> {
    let text = reader.text(variable)?;
    match parsed(&text.text) {
        Ok(duration) => Some(duration),
        Err(fault) => {
            let problem = problem_about(&format!("`{variable}`"), &text, fault);
            reader.problems.push(
                problem.hint("write seconds, or a time with units such as `90s`, `30m` or `1h30m`, at most `24h`"),
            );
            None
        }
    }
}

/// A number of seconds, or a time with units. The error is a predicate: it follows the name of the value.
fn parsed(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.trim().parse().ok().map(Duration::from_secs);
    // jiff also reads `2 hours` and the durations of ISO 8601.
    let with_units = || Duration::try_from(text.trim().parse::<SignedDuration>().ok()?).ok();
    match seconds.or_else(with_units) {
        None => Err("is not a time"),
        Some(duration) if duration > LONGEST => Err("is longer than 24 hours"),
        Some(duration) => Ok(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_have_units() {
        for (text, seconds) in
            [("0", 0), ("90", 90), ("90s", 90), ("30m", 1800), ("1h", 3600), ("1h30m", 5400), (" 2 hours ", 7200)]
        {
            assert_eq!(parsed(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parsed("24h"), Ok(LONGEST));
        for text in ["24h1s", "86401", "9000000000000"] {
            assert_eq!(parsed(text), Err("is longer than 24 hours"), "{text}");
        }
        for text in ["", "-1", "-30s", "1.5", "1d", "30 m s", "soon"] {
            assert_eq!(parsed(text), Err("is not a time"), "{text}");
        }
    }
}
