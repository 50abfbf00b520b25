// Package kubernetes is what telemetry tells of Kubernetes: the objects that a
// resource names (objects.go), and the events that log records hold, in the
// forms of those that bring them (event.go). With both, an event is tied to the
// services whose pods it is about.
//
// It does no input or output and imports telemetry and correlation.
package kubernetes
