// Package callkeep keeps sums of calls from one question to the next: in memory,
// and in an index of clew's own, which all clew processes of a cluster share. What
// is kept has the version of the spans that it was made of, and is found by that
// version alone.
//
// It imports the client of Elasticsearch, its queries, and package callsums.
package callkeep
