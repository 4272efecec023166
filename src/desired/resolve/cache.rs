//! Values that are read or computed once for all hosts of a run: files, outputs of commands and credential helpers, and
//! proxy settings. Usually, thousands of hosts use the same values.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::desired::registry::{Authority, ProxySettings};
use crate::dockerconfig::AuthFile;
use crate::inventory::outside::OutsideError;
use crate::inventory::{Outside, Variables};
use crate::secret::Secret;

use super::from_file;
use super::generated_no_proxy::{self, ProxyVariables};

/// Where a text comes from that is not part of the inventory.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum ExternalSource {
    /// The content of the file with this path.
    File(String),
    /// The output of this shell command.
    Command(String),
    /// The output of `docker-credential-NAME get` for this server.
    Helper { name: String, server: String },
}

/// A loaded value, or the reason why it cannot be loaded. The reason contains no secret.
type LoadResult<T> = Result<T, OutsideError>;

/// The values that have been loaded.
pub(super) struct ResolveCache<'a> {
    variables: &'a Variables,
    texts: Memo<ExternalSource, LoadResult<Secret>>,
    auth_files: Memo<String, LoadResult<Rc<AuthFile>>>,
    authorities: Memo<String, LoadResult<Arc<Authority>>>,
    proxies: Memo<ProxyVariables, Arc<ProxySettings>>,
    cluster_names: OnceCell<BTreeSet<String>>,
}

impl<'a> ResolveCache<'a> {
    /// An empty cache.
    pub fn new(variables: &'a Variables) -> Self {
        Self {
            variables,
            texts: Memo::default(),
            auth_files: Memo::default(),
            authorities: Memo::default(),
            proxies: Memo::default(),
            cluster_names: OnceCell::new(),
        }
    }

    /// The text of an external source.
    pub fn text(&self, source: ExternalSource) -> LoadResult<Secret> {
        let outside: &dyn Outside = self.variables.outside();
        self.texts.get(source, |source| {
            let text = match source {
                ExternalSource::File(path) => outside.file(path),
                ExternalSource::Command(command) => outside.pipe(command),
                ExternalSource::Helper { name, server } => outside.helper(name, server),
            };
            text.map(Secret::new)
        })
    }

    /// The entries of a credential file.
    pub fn auth_file(&self, path: &str) -> LoadResult<Rc<AuthFile>> {
        self.auth_files.get(path.to_owned(), |path| {
            let text = self.text(ExternalSource::File(path.clone()))?;
            Ok(Rc::new(from_file::parse(text.expose())?))
        })
    }

    /// The text of a credential file: the file itself, or what a manifest contains.
    pub fn auth_content(&self, path: &str) -> LoadResult<Zeroizing<String>> {
        let text = self.text(ExternalSource::File(path.to_owned()))?;
        Ok(from_file::content(text.expose())?)
    }

    /// The certificates of a file.
    pub fn authority(&self, path: &str) -> LoadResult<Arc<Authority>> {
        self.authorities.get(path.to_owned(), |path| {
            let text = self.text(ExternalSource::File(path.clone()))?;
            let authority = Authority::from_pem(path, text.expose().as_bytes());
            Ok(Arc::new(authority.map_err(|fault| format!("the file {fault}"))?))
        })
    }

    /// The proxy settings for the given variables.
    pub fn proxies(&self, variables: ProxyVariables) -> Arc<ProxySettings> {
        self.proxies.get(variables, |variables| {
            let cluster_names = || self.cluster_names.get_or_init(|| generated_no_proxy::cluster_names(self.variables));
            Arc::new(variables.settings(cluster_names))
        })
    }
}

/// Values that are computed on first use.
struct Memo<K, V>(RefCell<HashMap<K, V>>);

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<K: Eq + Hash, V: Clone> Memo<K, V> {
    fn get(&self, key: K, compute: impl FnOnce(&K) -> V) -> V {
        // The borrow ends before `compute` runs, because it may use the cache itself.
        let known = self.0.borrow().get(&key).cloned();
        known.unwrap_or_else(|| {
            let value = compute(&key);
            self.0.borrow_mut().insert(key, value.clone());
            value
        })
    }
}
