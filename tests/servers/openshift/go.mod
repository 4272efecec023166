// Pins the schemas of OpenShift's kinds; ../install takes the manifests from this module and builds nothing.
module oregano/tests/servers/openshift

go 1.23.0

require github.com/openshift/api v0.0.0-20250124212313-a770960d61e0
