// Package manifest is the one place that says which segments there are and
// which part of the write-ahead log they replace.
//
// It is a log of edits in the format of internal/framing. An edit takes effect
// when it is synced, whole or not at all: a flush that adds segments and
// releases the log, and a compaction that puts one segment in the place of
// many, are one edit each. A file begins with everything that holds at that
// time; a new one is begun at every start, after an edit that failed, and when
// the old one is long. docs/format/manifest.md describes the bytes.
//
// It may import internal/framing and the sibling packages wal, record and
// column.
package manifest
