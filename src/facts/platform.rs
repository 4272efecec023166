//! What the API server shows about the platform of its cluster. Types only.

/// The platform that an API server belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiPlatform {
    /// OpenShift 4: it has the API group `config.openshift.io`.
    OpenShift4,
    /// OpenShift 3: it has API groups of OpenShift, and not that one.
    OpenShift3,
    /// Any other Kubernetes.
    Kubernetes,
}

/// What the Infrastructure of an OpenShift 4 cluster shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InfrastructureFact {
    /// Where the control plane runs.
    pub control_plane: ControlPlane,
    /// What distinguishes the cluster from all others, whatever the address of its API server is:
    /// `status.infrastructureName`, or the URL of the API server if the cluster has none.
    pub cluster: String,
}

/// Where the control plane of an OpenShift 4 cluster runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlPlane {
    /// On nodes of the cluster.
    Nodes,
    /// In another cluster (HyperShift, ROSA with hosted control planes): `Infrastructure.status.controlPlaneTopology` is
    /// `External`. The pull secret of such a cluster is set there.
    Hosted,
}
