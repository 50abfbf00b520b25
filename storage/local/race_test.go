//go:build race

package local

// The race detector makes everything several times slower.
func init() { underRace = true }
