//! Image names: which registry a name means, and the test image of a registry.

use super::Reference;

/// The registry of names that name none (Docker's rule; distribution/reference `splitDockerDomain`).
pub const DOCKER_HUB: &str = "docker.io";

/// `name` split into its registry host and the rest: the first segment is a host only if it has a dot or a
/// port, or is `localhost`.
pub fn split_host(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest)) if is_host(first) => (first, rest),
        None if is_host(name) && !name.contains("${") => (name, ""),
        _ => (DOCKER_HUB, name),
    }
}

fn is_host(segment: &str) -> bool {
    segment.contains(['.', ':']) || segment == "localhost"
}

/// The path of `oreg_url` as a test image: `${component}` becomes `pod`, `${version}` the tag.
pub fn substitute(path: &str, tag: &str) -> String {
    path.replace("${component}", "pod").replace("${version}", tag)
}

/// The image in full, as it is inspected and reported: with the tag `latest` if it has neither tag nor digest.
///
/// # Errors
/// What the name breaks of the reference grammar (distribution/reference).
pub fn full_name(host: &str, path: &str) -> Result<String, String> {
    let name = format!("{host}/{path}");
    name.parse::<Reference>()?;
    let last = name.rsplit('/').next().unwrap_or_default();
    if last.contains([':', '@']) { Ok(name) } else { Ok(format!("{name}:latest")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_segment_decides() {
        for (name, host, path) in [
            ("registry.example.com/a/b:1", "registry.example.com", "a/b:1"),
            ("registry:5000/a", "registry:5000", "a"),
            ("localhost/a", "localhost", "a"),
            ("openshift/origin-${component}:${version}", DOCKER_HUB, "openshift/origin-${component}:${version}"),
            ("origin-${component}:${version}", DOCKER_HUB, "origin-${component}:${version}"),
            ("registry.example.com", "registry.example.com", ""),
        ] {
            assert_eq!(split_host(name), (host, path), "{name}");
        }
    }

    #[test]
    fn a_name_without_tag_means_latest() {
        assert_eq!(full_name("r.example.com:5000", "a/b").as_deref(), Ok("r.example.com:5000/a/b:latest"));
        assert_eq!(full_name("r.example.com", "a/b:1").as_deref(), Ok("r.example.com/a/b:1"));
        assert!(full_name("r.example.com", "A/b").is_err());
    }
}
