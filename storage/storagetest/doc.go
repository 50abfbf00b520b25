// Package storagetest is the contract of package storage as tests, for every
// backend to pass, and the made-up data that they and other rooms' tests use.
//
// It may import storage, telemetry, telemetry/otlp and correlation.
package storagetest
