//go:build race

package servicemap_test

const raceEnabled = true
