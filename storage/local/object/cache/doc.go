// Package cache keeps parts of objects on the local disk, up to a bound, and
// reads objects through it. What was not used for longest goes first.
//
// It owns a directory of files, one for each chunk, whose names say what is in
// them. What a crash leaves of a file is recognised by its checksum and read
// anew, so nothing is synced. It may import storage/local/object.
package cache
