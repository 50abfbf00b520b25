// Package alert evaluates rules and tells Alertmanagers what fires.
//
// It owns the rules folder. Files are Prometheus rule files: those directly in
// the folder belong to the tenant "anonymous", those in a subfolder to the
// tenant of that name. Files in a folder named logql, or named *.logql.yaml,
// hold LogQL instead of PromQL. Changes are picked up while it runs; a file
// that is wrong is reported with its line and leaves its earlier version and
// all other files at work.
//
// What recording rules compute, and the ALERTS series, go to the tenant's
// metrics; from those the state of alerts is restored after a restart.
//
// It may import storage, internal/tenant and Prometheus's packages. The
// query languages are injected.
package alert
