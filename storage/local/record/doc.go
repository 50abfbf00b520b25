// Package record tells the stages of the local store what they need to know of
// a record, so that head, segment and compact are written once for logs and
// spans alike.
//
// It may import storage, telemetry and correlation.
package record
