// Package column writes and reads the columns of a block: integers, IDs,
// strings, values and attributes, each in the encoding that its content asks
// for. It decides nothing about compression, checksums or files; package
// segment does. docs/format/segment.md describes every byte.
//
// Every decoder takes bytes that may be damaged and answers with ErrCorrupt.
// It may import telemetry only.
package column
