// Package verify asks a server for everything that a workload sent to it, over
// the same APIs that dashboards use, and compares the answers with the truth,
// which it computes again from the seed.
//
// It owns the questions and the verdict: lost, doubled, wrong or unanswered.
// It may import loadtest/workload and OpenTelemetry's data model.
package verify
