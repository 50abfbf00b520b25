// Package kubevents is the clew_kubernetes_events receiver: it watches the
// events of a cluster, or of some of its namespaces, through the API server and
// hands each on as a log record. One of it runs in a cluster: two would say
// everything twice.
//
// It speaks the API's plain HTTP (api.go): a listing where it begins or where
// the API server has forgotten what it saw last, else a watch from there on
// (watcher.go). Where it is kept in storage, once the pipeline has taken the
// records, so that events that come while it does not run are not lost and none
// come twice. It links no Kubernetes client, which would double the agent.
package kubevents
