//! A registry that a host declares, with the place of its declaration.

use crate::desired::registry::Registry;
use crate::inventory::{Problem, Span};
use crate::secret::Secret;

/// A registry and where it was declared.
pub(super) struct DeclaredRegistry {
    /// With the first of its test images.
    pub registry: Registry,
    /// The other test images.
    pub more_images: Vec<String>,
    pub span: Span,
}

impl DeclaredRegistry {
    /// A problem at the place of the registry. Without `oreg_url` that is the place of the user, which is not shown.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        let written = self.span.source.text().get(self.span.start..self.span.end).unwrap_or_default();
        if written.to_ascii_lowercase().contains(&self.registry.host.to_ascii_lowercase()) {
            Problem::naming(&self.span, &self.registry.host, message)
        } else {
            Problem::hiding(&self.span, message)
        }
    }

    /// User and secrets.
    pub fn login(&self) -> (&str, &Secret, Option<&Secret>) {
        (&self.registry.user, &self.registry.password, self.registry.identity_token.as_ref())
    }

    /// One registry for each test image.
    pub fn registries(self) -> impl Iterator<Item = Registry> {
        let more: Vec<Registry> =
            self.more_images.into_iter().map(|image| Registry { image, ..self.registry.clone() }).collect();
        std::iter::once(self.registry).chain(more)
    }
}
