// Package dedup remembers the requests that were acknowledged a short while
// ago, so that one that is sent again is stored once.
//
// A request is its tenant, signal and bytes, hashed to 128 bits. The table
// lives in memory; every write-ahead file that replaces older ones begins with
// its contents, so it survives a restart. It imports nothing of clew but
// telemetry.
package dedup
