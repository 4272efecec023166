//! What all hosts of a run share: each source to the world is asked once, and each file and list read or made once,
//! however many hosts name it.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use crate::desired::registry::{Authority, ProxySettings};
use crate::dockerconfig::AuthFile;
use crate::inventory::outside::OutsideError;
use crate::inventory::{Outside, Variables};
use crate::secret::Secret;

use super::from_file;
use super::generated_no_proxy::{self, ProxyVariables};

/// What the world is asked for a credential.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum ExternalSource {
    /// The content of a file.
    File(String),
    /// What a shell command prints.
    Command(String),
    /// What a credential helper keeps for a server.
    Helper { name: String, server: String },
}

/// What a source or a file gave; the reason of a failure has no secret in it.
type LoadResult<T> = Result<T, OutsideError>;

/// The memory of a run.
pub(super) struct ResolveCache<'a> {
    variables: &'a Variables,
    texts: Memo<ExternalSource, LoadResult<Secret>>,
    auth_files: Memo<String, LoadResult<Rc<AuthFile>>>,
    authorities: Memo<String, LoadResult<Arc<Authority>>>,
    proxies: Memo<ProxyVariables, Arc<ProxySettings>>,
    cluster: OnceCell<BTreeSet<String>>,
}

impl<'a> ResolveCache<'a> {
    /// Nothing is known yet.
    pub fn new(variables: &'a Variables) -> Self {
        Self {
            variables,
            texts: Memo::default(),
            auth_files: Memo::default(),
            authorities: Memo::default(),
            proxies: Memo::default(),
            cluster: OnceCell::new(),
        }
    }

    /// The answer to a source.
    pub fn ask(&self, source: ExternalSource) -> LoadResult<Secret> {
        let outside: &dyn Outside = self.variables.outside();
        self.texts.get(source, |source| {
            let answer = match source {
                ExternalSource::File(path) => outside.file(path),
                ExternalSource::Command(command) => outside.pipe(command),
                ExternalSource::Helper { name, server } => outside.helper(name, server),
            };
            answer.map(Secret::new)
        })
    }

    /// The entries of a file with credentials.
    pub fn auth_file(&self, path: &str) -> LoadResult<Rc<AuthFile>> {
        self.auth_files.get(path.to_owned(), |path| {
            let text = self.ask(ExternalSource::File(path.clone()))?;
            Ok(Rc::new(from_file::parse(text.expose())?))
        })
    }

    /// The certificates of a file, and nothing else that it may hold.
    pub fn authority(&self, path: &str) -> LoadResult<Arc<Authority>> {
        self.authorities.get(path.to_owned(), |path| {
            let text = self.ask(ExternalSource::File(path.clone()))?;
            let authority = Authority::from_pem(path, text.expose().as_bytes());
            Ok(Arc::new(authority.map_err(|fault| format!("the file {fault}"))?))
        })
    }

    /// The proxies that hosts with the same settings have.
    pub fn proxies(&self, wanted: ProxyVariables) -> Arc<ProxySettings> {
        self.proxies.get(wanted, |wanted| {
            let cluster = || self.cluster.get_or_init(|| generated_no_proxy::cluster_names(self.variables));
            Arc::new(wanted.settings(cluster))
        })
    }
}

/// Values that are made when they are first asked for.
struct Memo<K, V>(RefCell<HashMap<K, V>>);

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<K: Eq + Hash, V: Clone> Memo<K, V> {
    fn get(&self, key: K, make: impl FnOnce(&K) -> V) -> V {
        let known = self.0.borrow().get(&key).cloned();
        known.unwrap_or_else(|| {
            let value = make(&key);
            self.0.borrow_mut().insert(key, value.clone());
            value
        })
    }
}
