package compare

import (
	"github.com/clewhq/clew/telemetry"
)

// The two sides of a comparison.
const (
	selected = iota
	baseline
)

// feature is an attribute and its value.
type feature struct{ scope, key, value string }

// counter counts on both sides how many records, or traces, have a feature.
type counter struct {
	cfg     Config
	ids     map[feature]int32
	names   []feature
	counts  [][2]int
	totals  [2]int
	dropped bool

	streams map[*telemetry.Stream][]int32 // features of resources
	one     map[int32]bool                // of the record or trace at hand
}

func newCounter(cfg Config) *counter {
	return &counter{cfg: cfg, ids: map[feature]int32{}, streams: map[*telemetry.Stream][]int32{}, one: map[int32]bool{}}
}

// id numbers a feature, -1 for one that is not counted.
func (c *counter) id(f feature) int32 {
	if len(f.value) > c.cfg.MaxValueBytes || f.value == "" {
		return -1
	}
	if i, ok := c.ids[f]; ok {
		return i
	}
	if len(c.names) >= c.cfg.MaxValues {
		c.dropped = true
		return -1
	}
	i := int32(len(c.names))
	c.ids[f] = i
	c.names = append(c.names, f)
	c.counts = append(c.counts, [2]int{})
	return i
}

// note adds a feature to the record or trace at hand.
func (c *counter) note(scope, key, value string) {
	if i := c.id(feature{scope, key, value}); i >= 0 {
		c.one[i] = true
	}
}

func (c *counter) attrs(a telemetry.Attrs) {
	for i := range a {
		switch a[i].Value.Kind() {
		case telemetry.KindMap, telemetry.KindArray, telemetry.KindBytes:
		default:
			c.note("attribute", a[i].Key, a[i].Value.Text())
		}
	}
}

// stream notes a resource; equal ones come by the thousand.
func (c *counter) stream(s *telemetry.Stream) {
	if s == nil {
		return
	}
	list, ok := c.streams[s]
	if !ok {
		for i := range s.Resource.Attrs {
			if a := &s.Resource.Attrs[i]; a.Value.Kind() != telemetry.KindMap && a.Value.Kind() != telemetry.KindArray {
				if id := c.id(feature{"resource", a.Key, a.Value.Text()}); id >= 0 {
					list = append(list, id)
				}
			}
		}
		if id := c.id(feature{"scope", "name", s.Scope.Name}); id >= 0 {
			list = append(list, id)
		}
		c.streams[s] = list
	}
	for _, id := range list {
		c.one[id] = true
	}
}

func (c *counter) span(s *telemetry.Span) {
	c.stream(s.Stream)
	c.note("intrinsic", "name", s.Name)
	c.note("intrinsic", "kind", s.Kind.String())
	c.note("intrinsic", "status", s.Status.String())
	c.note("intrinsic", "status_message", s.StatusMessage)
	c.attrs(s.Attrs)
	for i := range s.Events {
		c.note("event", "name", s.Events[i].Name)
		c.note("event", "exception.type", s.Events[i].Attrs.Text("exception.type"))
	}
}

func (c *counter) log(l *telemetry.Log) {
	c.stream(l.Stream)
	sev := l.Severity
	if sev == 0 {
		sev = telemetry.ParseSeverity(l.SeverityText)
	}
	c.note("intrinsic", "severity", sev.String())
	c.note("intrinsic", "event_name", l.EventName)
	c.attrs(l.Attrs)
	if m := l.Body.Map(); m != nil {
		c.attrs(m)
	}
}

// done counts the record or trace at hand on a side.
func (c *counter) done(side int) {
	c.totals[side]++
	for i := range c.one {
		c.counts[i][side]++
	}
	clear(c.one)
}
