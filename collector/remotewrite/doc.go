// Package remotewrite takes in Prometheus remote write, versions 1.0 and 2.0.
//
// It owns the protocol: its two messages, its headers and its answers. What
// is wrong with one sample rejects that sample alone. It may import the
// collector's admission, samples and body.
package remotewrite
