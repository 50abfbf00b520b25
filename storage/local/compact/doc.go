// Package compact decides which segments to merge, and merges their rows. It
// decides nothing about files or the manifest; package local does.
//
// It may import storage/local/record and storage/local/segment.
package compact
