package compact

import (
	"cmp"
	"math/bits"
	"slices"
)

// Candidate is a segment that may be merged.
type Candidate struct {
	ID   uint64
	Rows int64
}

// Policy says what is worth merging.
type Policy struct {
	// Files of about the same size are merged when there are so many.
	Files int
	// Rows is how many rows a merged segment has at most.
	Rows int64
	// Closed partitions get few more records: what there is in them is merged
	// as far as Rows allows. What comes late all the same waits until it is as
	// much as what it is merged with, so that a backfill in many pieces does
	// not rewrite the day for each of them.
	Closed bool
}

// tier groups segments of about the same size: each tier is four times the one
// below. Merging within a tier rewrites a record once for each tier it climbs.
func tier(rows int64) int { return bits.Len64(uint64(rows)) / 2 }

// Plan returns the IDs of the segments of one partition to merge into one, nil
// where nothing is worth it.
func Plan(p Policy, segments []Candidate) []uint64 {
	small := make([]Candidate, 0, len(segments))
	for _, s := range segments {
		// A segment above half the limit rarely finds others to join.
		if s.Rows <= p.Rows/2 {
			small = append(small, s)
		}
	}
	slices.SortFunc(small, func(a, b Candidate) int {
		if c := cmp.Compare(a.Rows, b.Rows); c != 0 {
			return c
		}
		return cmp.Compare(a.ID, b.ID)
	})
	if p.Closed {
		return fill(p.Rows, leaveBig(small))
	}
	for from := 0; from < len(small); {
		to := from + 1
		for to < len(small) && tier(small[to].Rows) == tier(small[from].Rows) {
			to++
		}
		if to-from >= p.Files {
			// What is smaller joins too: it would only wait.
			return fill(p.Rows, small[:to])
		}
		from = to
	}
	return nil
}

// leaveBig leaves out from the end of segments, smallest first, those that are
// more than twice as big as all before them together. So a segment grows by half
// at least each time it is rewritten.
func leaveBig(sorted []Candidate) []Candidate {
	var sum int64
	n := 0
	for i, s := range sorted {
		if s.Rows <= 2*sum {
			n = i + 1
		}
		sum += s.Rows
	}
	return sorted[:n]
}

// fill takes segments, smallest first, as far as the limit allows.
func fill(limit int64, sorted []Candidate) []uint64 {
	var ids []uint64
	var rows int64
	for _, s := range sorted {
		if rows += s.Rows; rows > limit {
			break
		}
		ids = append(ids, s.ID)
	}
	if len(ids) < 2 {
		return nil
	}
	return ids
}
