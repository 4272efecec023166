//! The platform that an API server belongs to, as its API groups show it. An API group that cannot be requested does not
//! mean that the cluster does not have it, so it makes the platform unknown.

use serde::Deserialize;

use super::client::{ApiClient, Request};
use super::error::ApiError;
use super::objects::openshift::Infrastructure;
use crate::facts::{ApiPlatform, ControlPlane, InfrastructureFact};
use crate::failure::Failure;

/// The group of ClusterVersion, which is a custom resource of every OpenShift 4 cluster.
const OPENSHIFT_4: &str = "config.openshift.io";

/// Groups of every OpenShift 3.11 cluster. Both are served by the same aggregated API server; one is sufficient.
const OPENSHIFT: [&str; 2] = ["apps.openshift.io", "project.openshift.io"];

/// What to do if the platform is not known.
const HINT: &str = "set `oregano_platform` in the inventory to `openshift-3`, `openshift-4` or `kubernetes`";

/// The `APIGroup` that an API server has for each group, and its `Info` at `/version`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Discovery {
    kind: String,
    name: String,
    git_version: String,
}

/// Why the platform is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlatformFault {
    /// The API server cannot be used at all, for anything.
    Unusable(Failure),
    /// It responds, and its responses do not show the platform.
    Unknown(Failure),
}

impl ApiClient {
    /// See [`crate::cluster::Cluster::platform`].
    pub(super) async fn platform(&self) -> Result<ApiPlatform, PlatformFault> {
        if self.has_group(OPENSHIFT_4).await? {
            return Ok(ApiPlatform::OpenShift4);
        }
        for group in OPENSHIFT {
            if self.has_group(group).await? {
                return Ok(ApiPlatform::OpenShift3);
            }
        }
        // An API server has no status object for a group that it does not have, so its responses look like those of any
        // web server.
        let version = self.discover("/version").await.map_err(|error| self.unknown_platform("/version", &error))?;
        if version.git_version.is_empty() {
            return Err(self.unknown_platform("/version", &ApiError::OtherObject));
        }
        Ok(ApiPlatform::Kubernetes)
    }

    /// See [`crate::cluster::Cluster::infrastructure`].
    pub(super) async fn infrastructure(&self) -> Result<InfrastructureFact, Failure> {
        let found = self.read_kind::<Infrastructure>(Infrastructure::NAME).await?;
        let status = found.map(|found| found.status).ok_or_else(|| {
            Failure::new(format!("Infrastructure `{}` does not exist", Infrastructure::NAME))
                .hint("check that the kubeconfig is for an OpenShift 4 cluster")
        })?;
        let is_hosted = status.control_plane_topology == "External";
        let control_plane = if is_hosted { ControlPlane::Hosted } else { ControlPlane::Nodes };
        let name = Some(status.infrastructure_name).filter(|name| !name.is_empty());
        Ok(InfrastructureFact { control_plane, cluster: name.unwrap_or_else(|| self.diagnosis().server.clone()) })
    }

    pub(super) async fn has_group(&self, group: &str) -> Result<bool, PlatformFault> {
        let path = format!("/apis/{group}");
        match self.discover(&path).await {
            Ok(found) if found.kind == "APIGroup" && found.name == group => Ok(true),
            Ok(_) => Err(self.unknown_platform(&path, &ApiError::OtherObject)),
            Err(error) if error.code() == Some(404) => Ok(false),
            Err(error) => Err(self.unknown_platform(&path, &error)),
        }
    }

    async fn discover(&self, path: &str) -> Result<Discovery, ApiError> {
        let mut request = Request::default();
        *request.uri_mut() = path.parse().map_err(|_| ApiError::OtherObject)?;
        serde_json::from_slice(&self.read(request).await?).map_err(|_| ApiError::OtherObject)
    }

    fn unknown_platform(&self, path: &str, error: &ApiError) -> PlatformFault {
        let diagnosis = self.diagnosis();
        if let Some(failure) = diagnosis.connection(error) {
            return PlatformFault::Unusable(failure);
        }
        let cause = match (error.status(), error.code()) {
            (Some(status), _) => diagnosis.response(status),
            (None, Some(code)) => format!("GET {path}: {code} without a Kubernetes status"),
            (None, None) => format!("GET {path}: the response is not of the Kubernetes API"),
        };
        let failure = Failure::new(format!("the platform of API server `{}` is not known", diagnosis.server));
        PlatformFault::Unknown(failure.cause(cause).hint(HINT))
    }
}
