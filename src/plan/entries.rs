//! The entries of a file or a secret: the declared ones are merged into it, and those of retired registries are removed
//! from it or reported.

use indexmap::IndexMap;

use super::{Change, Diff, Plan, PlanRequest, Prune, Target, diff};
use crate::dockerconfig::{self, Credential, ParseError, Reader, is_of, mask};
use crate::secret::SecretBytes;

/// The entries that a file or a secret must contain, and those that it must not.
#[derive(Debug, Clone, Copy)]
pub struct WantedEntries<'a> {
    /// The declared credentials.
    pub credentials: &'a [Credential],
    /// The retired registries.
    pub retired: &'a [String],
}

/// The new content of a file or a secret.
pub(super) struct PlannedEntries {
    /// The complete new content; `None` if no entry changes.
    pub content: Option<SecretBytes>,
    pub changes: Vec<Change>,
    pub notes: Vec<String>,
    pub left: LeftEntries,
    pub diff: Option<Diff>,
}

/// Entries that are not declared and that stay, by their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftEntries {
    /// Entries of retired registries, which are removed only with [`Prune::Remove`].
    pub retired: Vec<String>,
    /// All others.
    pub undeclared: Vec<String>,
}

/// How many files and pull secrets still have the entries of retired registries, over all windows of a run.
#[derive(Debug, Default)]
pub struct RetiredCounts(IndexMap<String, RetiredCount>);

#[derive(Debug, Default)]
struct RetiredCount {
    files: usize,
    secrets: usize,
}

impl RetiredCounts {
    /// Adds the files and pull secrets of a plan.
    pub fn add(&mut self, plan: &Plan) {
        for step in plan.steps() {
            for key in &step.left.retired {
                let count = self.0.entry(key.clone()).or_default();
                match step.target {
                    Target::File(_) => count.files += 1,
                    Target::Object(_) => count.secrets += 1,
                }
            }
        }
    }

    /// A warning for each key.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(key, count)| {
            let some = |count: usize, one: &str, many: &str| match count {
                0 => None,
                1 => Some(format!("1 {one}")),
                _ => Some(format!("{count} {many}")),
            };
            let files = some(count.files, "file of the nodes", "files of the nodes");
            let secrets = some(count.secrets, "pull secret", "pull secrets");
            let places: Vec<String> = files.into_iter().chain(secrets).collect();
            format!("`{key}` is retired, but is still in {}: `apply --prune` removes it", places.join(" and in "))
        })
    }
}

/// The retired registries that none of the credentials is for. The file of a declaration may have an entry of a retired
/// registry, which would be added and removed by each run.
pub(super) fn without_declared(retired: &[String], credentials: &[Credential]) -> Vec<String> {
    let is_declared = |registry: &String| credentials.iter().any(|credential| is_of(&credential.key, registry));
    retired.iter().filter(|registry| !is_declared(registry)).cloned().collect()
}

fn is_declared(key: &str, credentials: &[Credential]) -> bool {
    // Comparing spellings is slow, and most keys are spelled as they are declared.
    credentials.iter().any(|declared| declared.key == key)
        || credentials.iter().any(|declared| is_of(key, &declared.key))
}

/// Plans the entries of a content. Nothing else in the content changes.
///
/// # Errors
/// If the content cannot be merged.
pub(super) fn planned(
    old: Option<&SecretBytes>,
    wanted: WantedEntries<'_>,
    reader: Reader,
    request: &PlanRequest,
) -> Result<PlannedEntries, ParseError> {
    let old = old.map(|bytes| bytes.expose());
    let merged = dockerconfig::merge(old, wanted.credentials, reader)?;
    let current = merged.content.as_ref().map(SecretBytes::expose).or(old).unwrap_or_default();
    // The merged content is changed once more, so that one write does both.
    let removed = match request.prune {
        Prune::Keep => None,
        Prune::Remove => Some(dockerconfig::remove(current, wanted.retired, reader)?),
    };
    let (without, removals) = removed.map_or((None, Vec::new()), |removed| (removed.content, removed.changes));
    let content = without.or(merged.content);
    let after = dockerconfig::entries(content.as_ref().map(SecretBytes::expose).or(old).unwrap_or_default(), reader);
    let mut left = LeftEntries::default();
    for entry in &after {
        let key = mask(&entry.key);
        if wanted.retired.iter().any(|registry| is_of(&entry.key, registry)) {
            left.retired.push(key);
        } else if !is_declared(&entry.key, wanted.credentials) {
            left.undeclared.push(key);
        }
    }
    let diff = request.diff.as_ref().map(|salt| {
        let before = old.map(|old| dockerconfig::entries(old, reader)).unwrap_or_default();
        Diff { entries: diff::entries(before, after, salt), mode: None }
    });
    let changes = merged.changes.into_iter().chain(removals).map(Change::Key).collect();
    let notes = merged.shadows.iter().map(ToString::to_string).collect();
    Ok(PlannedEntries { content, changes, notes, left, diff })
}
