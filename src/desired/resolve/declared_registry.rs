//! A registry that a host declares, with the place of its declaration.

use crate::desired::registry::Registry;
use crate::inventory::{Problem, Span};
use crate::secret::Secret;

/// A registry and the place of its declaration.
pub(super) struct DeclaredRegistry {
    /// The registry with the first of its test images.
    pub registry: Registry,
    /// The other test images.
    pub more_images: Vec<String>,
    pub span: Span,
}

impl DeclaredRegistry {
    /// A problem at the place of the declaration. The text there is shown only if it is the host. Without `oreg_url`,
    /// the place is that of the user name, which is not shown.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        let written = self.span.source.text().get(self.span.start..self.span.end).unwrap_or_default();
        if written.to_ascii_lowercase().contains(&self.registry.host.to_ascii_lowercase()) {
            Problem::naming(&self.span, &self.registry.host, message)
        } else {
            Problem::hiding(&self.span, message)
        }
    }

    /// The user and the secrets, for comparing two declarations.
    pub fn credential(&self) -> (&str, &Secret, Option<&Secret>) {
        (&self.registry.user, &self.registry.password, self.registry.identity_token.as_ref())
    }

    /// One registry for each test image.
    pub fn registries(self) -> impl Iterator<Item = Registry> {
        let more: Vec<Registry> =
            self.more_images.into_iter().map(|image| Registry { image, ..self.registry.clone() }).collect();
        std::iter::once(self.registry).chain(more)
    }
}
