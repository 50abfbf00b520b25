// Package framing is the file format that the write-ahead log and the manifest
// share: a header, then records that carry their length and checksums. It
// knows nothing of what the records say.
//
// A record's checksum covers its offset and a number drawn for the file, so
// that bytes which look like a record inside another record's payload, or left
// over from another file, are never taken for one. docs/format/framing.md
// describes it byte by byte. It imports nothing of clew.
package framing
