package traceqltest

import (
	"context"
	"slices"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// Grouper is a Store that tells of spans in groups, too. A group shows no more
// than was asked for, so that a reader that asks for too little is found out.
type Grouper struct {
	*Store
	// Groups counts the groups that were told of.
	Groups int
}

// SpanGroups implements storage.SpanGrouper: every span is a group.
func (s *Grouper) SpanGroups(_ context.Context, q storage.SpanGroupQuery, add func(storage.SpanGroup)) error {
	for i := range s.All {
		sp := &s.All[i]
		if !s.selects(&q.Query, sp) || !q.Takes(sp) {
			continue
		}
		g := q.GroupOf(sp)
		g.Like = like(sp, &q.By)
		if !q.Durations {
			g.Durations = storage.DurationSums{}
		}
		s.Groups++
		add(g)
	}
	return s.Err
}

// like has nothing of a span but its stream and traits.
func like(s *telemetry.Span, by *storage.SpanTraits) *telemetry.Span {
	out := &telemetry.Span{Stream: s.Stream}
	if by.Name {
		out.Name = s.Name
	}
	if by.Kind {
		out.Kind = s.Kind
	}
	if by.Status {
		out.Status = s.Status
	}
	if by.Root && !s.ParentID.IsZero() {
		out.ParentID[0] = 1
	}
	if class := telemetry.DurationClass(s.Duration()); by.Class && class > 0 {
		out.End = 1 << class
	}
	for _, a := range s.Attrs {
		if slices.Contains(by.Keys, a.Key) {
			out.Attrs = append(out.Attrs, a)
		}
	}
	return out
}
