// Package correlation defines what an ID is: which attributes carry one, which
// tokens of a text look like one, and the normal form in which two spellings
// of the same ID are equal. Agent, server and query all use this one
// definition.
//
// It may import telemetry only.
package correlation
