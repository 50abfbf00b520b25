// Package guard stands between clew and what it calls over the network: a
// circuit breaker that opens by itself or by hand, retries with growing pauses
// within a budget, a bound on calls under way, and what is known of how calls
// went lately. Each dependency has one Guard; how a call is made, and which
// outcomes are failures, is its user's. Its policies are failsafe-go's.
//
// It may import nothing of clew.
package guard
