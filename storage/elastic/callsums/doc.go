// Package callsums is what is kept of the calls of some minutes, so that the
// spans need not be read again: minute by minute, what they tell, as package
// telemetry/calls adds it up.
//
// It does no input or output, and imports telemetry and telemetry/calls alone.
package callsums
