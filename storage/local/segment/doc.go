// Package segment writes and reads segments: immutable files of records of one
// tenant, signal and day, in blocks of columns, with an index of their
// correlation IDs.
//
// It owns the format, which docs/format/segment.md describes byte by byte.
// Logs and spans differ in their Codec only. Every part of a file has a
// checksum; a part that doesn't match is reported with file and offset, and
// everything else stays readable.
//
// It may import storage/local/record, storage/local/column and storage.
package segment
