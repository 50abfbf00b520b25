package correlate

import (
	"cmp"
	"slices"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// Skew is how far a service's clock is from that of its callers, told by spans
// that lie outside of the calls that made them. Times are never changed: to
// correct one, subtract the offset.
type Skew struct {
	Service string `json:"service"`
	Host    string `json:"host,omitempty"` // one clock of several, by instance, pod or host
	// RelativeTo is the service whose clock is taken for right.
	RelativeTo string `json:"relative_to"`
	OffsetNS   int64  `json:"offset_ns"` // positive is ahead
	Spans      int    `json:"spans"`     // that tell so
}

// clock names what keeps time: an instance of a service.
type clock struct{ service, host string }

func clockOf(s *telemetry.Stream) clock {
	c := clock{service: service(s)}
	if s != nil {
		for _, key := range []string{"host.name", "k8s.node.name", telemetry.AttrServiceInstance, "k8s.pod.name"} {
			if c.host = s.Resource.Attrs.Text(key); c.host != "" {
				break
			}
		}
	}
	return c
}

// skews are the offsets of clocks, to correct times with.
type skews struct {
	list   []Skew
	offset map[clock]int64
}

func (k *skews) of(s *telemetry.Span) int64 {
	if len(k.offset) == 0 {
		return 0
	}
	return k.offset[clockOf(s.Stream)]
}

func (k *skews) start(s *telemetry.Span) int64 { return s.Start - k.of(s) }

func (k *skews) end(s *telemetry.Span) int64 { return max(s.Start, s.End) - k.of(s) }

// pair are two clocks, of which one called the other one.
type pair struct{ caller, called clock }

// findSkews compares every call with the work that answers it. Work that lies
// within its call says that the clocks agree; work that begins before or ends
// behind, and would fit, says by how much they do not: half of the rest of the
// time is taken for the way there. A pair of clocks is believed where most of
// its calls say so, by the median.
func findSkews(traces []*traceSpans) *skews {
	offsets := map[pair][]int64{}
	for _, t := range traces {
		for _, s := range t.spans {
			p := t.byID[s.ParentID]
			if p == nil || s.Kind != telemetry.SpanKindServer || p.Kind != telemetry.SpanKindClient {
				continue
			}
			key := pair{clockOf(p.Stream), clockOf(s.Stream)}
			if key.caller == key.called || key.caller.host != "" && key.caller.host == key.called.host {
				continue
			}
			if off, ok := offsetOf(p, s); ok {
				offsets[key] = append(offsets[key], off)
			}
		}
	}
	k := &skews{list: []Skew{}, offset: map[clock]int64{}}
	direct := map[clock]Skew{}
	callers := map[clock]clock{}
	for key, found := range offsets {
		slices.Sort(found)
		off, telling := found[len(found)/2], 0
		for _, o := range found {
			if o != 0 {
				telling++
			}
		}
		if off == 0 {
			continue
		}
		if have, ok := direct[key.called]; !ok || telling > have.Spans || telling == have.Spans && key.caller.service < have.RelativeTo {
			direct[key.called] = Skew{key.called.service, key.called.host, key.caller.service, off, telling}
			callers[key.called] = key.caller
		}
	}
	for c, s := range direct {
		k.list = append(k.list, s)
		k.offset[c] = chained(c, direct, callers)
	}
	slices.SortFunc(k.list, func(a, b Skew) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Host, b.Host))
	})
	return k
}

// chained adds up the offsets from a clock to the one that all are relative to.
func chained(c clock, direct map[clock]Skew, callers map[clock]clock) int64 {
	sum, seen := int64(0), map[clock]bool{}
	for !seen[c] {
		seen[c] = true
		s, ok := direct[c]
		if !ok {
			break
		}
		sum += s.OffsetNS
		c = callers[c]
	}
	return sum
}

// offsetOf tells how far the clock of the work is ahead of that of its call; 0
// where the work lies within. Work that is longer than its call tells nothing:
// it may have gone on behind the caller's timeout.
func offsetOf(call, work *telemetry.Span) (offset int64, ok bool) {
	callEnd, workEnd := max(call.Start, call.End), max(work.Start, work.End)
	if work.Start >= call.Start && workEnd <= callEnd {
		return 0, true
	}
	free := (callEnd - call.Start) - (workEnd - work.Start)
	if free < 0 {
		return 0, false
	}
	return work.Start - (call.Start + free/2), true
}
