// Package cluster is the way to Elasticsearch: the official client behind a
// timeout, retries with backoff and jitter within a budget, and a circuit
// breaker. It knows HTTP and errors, and nothing of logs and spans.
package cluster
