// Package realtest runs the contract of package storage, and the languages and
// stories above it, on a real Elasticsearch. It is a package of its own since
// it takes longer than all the other tests of the store.
package realtest
