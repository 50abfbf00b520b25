// Package depot is where a store's segments are when they are objects: it
// uploads them, reads them as files, and deletes them.
//
// It owns the directory `objects` of a store: the store's ID, which makes a
// place in object storage its own; the tails, local copies of the segments'
// indexes, so that a query reads of an object only the blocks that it wants; and
// the cache of what was read of those. Which segments there are is the
// manifest's, not known here.
//
// It may import storage/local/object and what is below.
package depot
