package callsum

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

// Summary is what a segment keeps of its calls.
type Summary struct {
	Rules calls.Rules
	// Width is how many minutes a step has: an hour has a whole number of steps.
	Width  int64
	bytes  []byte // of the frames
	names  []calls.Node
	spaces []string
	groups []group
	hours  []hourAt
}

// group is a list of traces.
type group struct {
	first, last int64 // starts of their spans
	n           int
	frame       frame
}

type hourAt struct {
	number        int64
	whole, single frame
}

// Parse reads the head of what a Builder wrote. The summary keeps b.
func Parse(b []byte) (*Summary, error) {
	c := column.NewCursor(b)
	c = column.NewCursor(c.Bytes(c.Count(1)))
	s := &Summary{}
	if v := c.Uvarint(); v != version && c.Err() == nil {
		c.Fail("version %d, want %d", v, version)
	}
	n, used := binary.Uvarint(b)
	if used <= 0 || c.Err() != nil || n > uint64(len(b)-used) {
		c.Fail("a head that does not fit")
		return nil, c.Err()
	}
	s.bytes = b[used+int(n):]
	s.Rules.Around = time.Duration(c.Varint())
	if s.Width = int64(c.Uvarint()); !slices.Contains(widths, s.Width) {
		c.Fail("steps of %d minutes", s.Width)
		return nil, c.Err()
	}
	s.names = make([]calls.Node, c.Count(3))
	s.spaces = make([]string, len(s.names))
	for i := range s.names {
		t := int(c.Byte())
		if t >= len(types) {
			c.Fail("a node of type %d", t)
			return nil, c.Err()
		}
		s.names[i] = calls.Node{ID: c.String(), Type: types[t]}
		s.spaces[i] = c.String()
	}
	at := 0
	s.groups = make([]group, c.Count(5))
	for i := range s.groups {
		g := &s.groups[i]
		g.first, g.last, g.n = c.Varint(), c.Varint(), int(c.Uvarint())
		g.frame = s.frame(c, &at)
		if g.n < 0 || g.n > g.frame.raw {
			c.Fail("%d traces in %d bytes", g.n, g.frame.raw)
		}
	}
	s.hours = make([]hourAt, c.Count(5))
	for i := range s.hours {
		s.hours[i] = hourAt{number: c.Varint(), whole: s.frame(c, &at), single: s.frame(c, &at)}
	}
	if c.Err() == nil && (at != len(s.bytes) || c.Len() > 0) {
		c.Fail("%d bytes of frames, want %d; %d bytes left over", len(s.bytes), at, c.Len())
	}
	return s, c.Err()
}

// frame reads a frame's size; it stands behind the one before.
func (s *Summary) frame(c *column.Cursor, at *int) frame {
	length, raw := c.Uvarint(), c.Uvarint()
	if length > uint64(len(s.bytes)-*at) || raw > maxFrame {
		c.Fail("a frame of %d bytes of %d, unpacked %d", length, len(s.bytes)-*at, raw)
		return frame{}
	}
	f := frame{*at, int(length), int(raw)}
	*at += f.length
	return f
}

// Traces calls add with every trace of the groups that may have spans that
// started in from..to, and the block of its first span.
func (s *Summary) Traces(from, to int64, add func(hash uint32, block int)) error {
	for _, g := range s.groups {
		if g.last < from || g.first >= to {
			continue
		}
		raw, err := unpack(s.bytes, g.frame)
		if err != nil {
			return fmt.Errorf("list of traces: %w", err)
		}
		hashes, blocks := column.NewCursor(raw), column.NewCursor(raw)
		for range g.n {
			blocks.Uvarint()
		}
		hash := uint32(0)
		for range g.n {
			hash += uint32(hashes.Uvarint())
			add(hash, int(blocks.Uvarint()))
		}
		if blocks.Err() != nil || blocks.Len() > 0 {
			return fmt.Errorf("list of traces: %w: %d bytes left over", column.ErrCorrupt, blocks.Len())
		}
	}
	return nil
}

// Window is the minutes that are asked for: those whose sums count, From <= m <
// To, both the first of a step, and those in which services are looked for that
// send spans.
type Window struct {
	From, To            int64
	FirstSend, LastSend int64
}

// AddTo adds the sums of a window to t, in whose steps those of s nest, without
// the samples that skip accepts.
func (s *Summary) AddTo(t *calls.Steps, w Window, skip func(telemetry.TraceID) bool) error {
	a := &adding{s: s, steps: t, w: w, skip: skip, numbers: make([]int32, len(s.names))}
	for i := range a.numbers {
		a.numbers[i] = -1
	}
	for _, h := range s.hours {
		first, last := h.number*minutesOfHour, h.number*minutesOfHour+minutesOfHour-1
		if (last < w.From || first >= w.To) && (last < w.FirstSend || first > w.LastSend) {
			continue
		}
		if err := a.hour(h); err != nil {
			return fmt.Errorf("sums of hour %d: %w", h.number, err)
		}
	}
	return nil
}

// adding is an AddTo under way.
type adding struct {
	s       *Summary
	steps   *calls.Steps
	t       *calls.Totals // of the step at hand
	w       Window
	skip    func(telemetry.TraceID) bool
	numbers []int32 // in t's names, -1 for those not asked for yet
	keys    []key
	traces  []telemetry.TraceID
}

// number returns what t knows a name as; -1 stays.
func (a *adding) number(i int32) int32 {
	if i < 0 {
		return -1
	}
	if a.numbers[i] < 0 {
		names := a.steps.Range.Names
		n := names.Intern(a.s.names[i])
		a.numbers[i] = n
		if space := a.s.spaces[i]; space != "" && names.Space(n) == "" {
			names.SetSpace(n, space)
		}
	}
	return a.numbers[i]
}

func (a *adding) hour(h hourAt) error {
	raw, err := unpack(a.s.bytes, h.whole)
	if err != nil {
		return err
	}
	c := column.NewCursor(raw)
	a.readKeys(c)
	steps := a.readSteps(c, h.number)
	counted := 0
	for _, m := range steps {
		if m >= a.w.From && m < a.w.To {
			counted++
		}
	}
	if c.Err() != nil || counted == 0 {
		return c.Err()
	}
	if last := len(steps) - 1; counted == len(steps) && len(steps) > fewSteps && a.steps.First(steps[0]) == a.steps.First(steps[last]) {
		a.t = a.steps.At(steps[0])
		for i := range a.keys {
			a.tally(c, i)
		}
		if c.Err() == nil && c.Len() > 0 {
			c.Fail("%d bytes left over", c.Len())
		}
		return c.Err()
	}
	return a.single(h, steps)
}

// single adds the steps of an hour that are asked for.
func (a *adding) single(h hourAt, steps []int64) error {
	raw, err := unpack(a.s.bytes, h.single)
	if err != nil {
		return err
	}
	all := column.NewCursor(raw)
	for _, m := range steps {
		c := column.NewCursor(all.Bytes(all.Count(1)))
		if all.Err() != nil {
			return all.Err()
		}
		if m < a.w.From || m >= a.w.To {
			continue
		}
		a.t = a.steps.At(m)
		at := 0
		for range c.Count(2) {
			at += int(c.Uvarint())
			if at < 0 || at >= len(a.keys) {
				c.Fail("key %d of %d", at, len(a.keys))
				break
			}
			a.tally(c, at)
		}
		if c.Err() == nil && c.Len() > 0 {
			c.Fail("%d bytes left over", c.Len())
		}
		if c.Err() != nil {
			return c.Err()
		}
	}
	return nil
}

// readKeys reads the traces of an hour's samples and its keys.
func (a *adding) readKeys(c *column.Cursor) {
	a.traces = make([]telemetry.TraceID, c.Count(len(telemetry.TraceID{})))
	for i := range a.traces {
		copy(a.traces[i][:], c.Bytes(len(telemetry.TraceID{})))
	}
	a.keys = make([]key, c.Count(5))
	for i := range a.keys {
		k := &a.keys[i]
		k.what = c.Byte()
		places := [4]*int32{&k.a, &k.b, &k.c, &k.d}
		for j, p := range places {
			v := c.Varint()
			if v < -1 || v >= int64(len(a.s.names)) && !(k.what == sumOdd && j == 2) {
				c.Fail("name %d of %d", v, len(a.s.names))
				return
			}
			*p = int32(v)
		}
		if k.what >= sumKinds || k.a < 0 || (k.what == sumCall || k.what == sumServed) && (k.b < 0 || k.c < 0) || k.what == sumOdd && (k.c < 0 || k.c > int32(calls.PeerUnknown)) {
			c.Fail("a sum of kind %d, %d, %d, %d", k.what, k.a, k.b, k.c)
			return
		}
	}
}

// readSteps reads the first minutes of an hour's steps, and who sent spans in
// which minute.
func (a *adding) readSteps(c *column.Cursor, hour int64) []int64 {
	steps := make([]int64, c.Count(2))
	for i := range steps {
		steps[i] = hour*minutesOfHour + int64(c.Byte())
		for range c.Count(2) {
			m := hour*minutesOfHour + int64(c.Byte())
			service := int32(0)
			for range c.Count(1) {
				service += int32(c.Uvarint())
				if service < 0 || int(service) >= len(a.s.names) {
					c.Fail("name %d of %d", service, len(a.s.names))
					return nil
				}
				if steps[i] >= a.w.From && steps[i] < a.w.To {
					a.steps.At(steps[i]).Present[a.number(service)] = true
				}
				if m >= a.w.FirstSend && m <= a.w.LastSend {
					a.steps.Range.Senders[a.number(service)] = true
				}
			}
		}
	}
	return steps
}

// tally adds the tally of a key.
func (a *adding) tally(c *column.Cursor, at int) {
	k := a.keys[at]
	t := a.of(k)
	n := c.Uvarint()
	count := int64(n >> 1)
	t.Calls += count
	weight := float64(count)
	if n&1 != 0 {
		if b := c.Bytes(8); len(b) == 8 {
			weight = math.Float64frombits(binary.LittleEndian.Uint64(b))
		}
	}
	t.Weight += weight
	if k.what != sumOdd {
		t.Errors += int64(c.Uvarint())
		bin := 0
		for range c.Count(2) {
			bin += int(c.Uvarint())
			n := c.Uvarint()
			if bin < 0 || bin >= calls.Bins {
				c.Fail("bin %d of %d", bin, calls.Bins)
				return
			}
			t.Durations.AddBin(bin, int64(n))
		}
	}
	if k.what == sumEntry {
		return
	}
	for range c.Count(2) {
		i, dur := c.Uvarint(), c.Uvarint()
		if i >= uint64(len(a.traces)) {
			c.Fail("trace %d of %d", i, len(a.traces))
			return
		}
		if id := a.traces[i]; !a.skip(id) {
			t.Samples = calls.Keep(t.Samples, calls.Sample{Trace: id, Failed: dur&1 != 0, Dur: int64(dur >> 1)}, a.t.Samples)
		}
	}
}

func (a *adding) of(k key) *calls.Tally {
	switch k.what {
	case sumEntry:
		return calls.TallyOf(a.t.Entries, a.number(k.a))
	case sumCall, sumServed:
		return calls.TallyOf(a.t.Calls, calls.Key{Source: a.number(k.a), Target: a.number(k.b), Protocol: a.number(k.c), Caller: a.number(k.d), Served: k.what == sumServed})
	}
	return calls.TallyOf(a.t.Odds, calls.OddKey{Service: a.number(k.a), Target: a.number(k.b), Reason: calls.Reason(k.c)})
}

// Equal reports whether two encodings hold the same. Their compressed bytes may
// differ where different compressors made them.
func Equal(a, b []byte) error {
	x, err := Parse(a)
	if err != nil {
		return err
	}
	y, err := Parse(b)
	if err != nil {
		return err
	}
	if len(x.groups) != len(y.groups) || len(x.hours) != len(y.hours) || len(x.names) != len(y.names) || x.Rules != y.Rules || x.Width != y.Width {
		return fmt.Errorf("%w: %d lists of traces, %d hours, %d names, want %d, %d, %d", column.ErrCorrupt,
			len(x.groups), len(x.hours), len(x.names), len(y.groups), len(y.hours), len(y.names))
	}
	for i := range x.names {
		if x.names[i] != y.names[i] || x.spaces[i] != y.spaces[i] {
			return fmt.Errorf("%w: name %d is %q, want %q", column.ErrCorrupt, i, x.names[i].ID, y.names[i].ID)
		}
	}
	same := func(f, g frame, what string) error {
		p, err := unpack(x.bytes, f)
		if err != nil {
			return err
		}
		q, err := unpack(y.bytes, g)
		if err == nil && !bytes.Equal(p, q) {
			err = fmt.Errorf("%w: %s differ from what the spans say", column.ErrCorrupt, what)
		}
		return err
	}
	for i, g := range x.groups {
		h := y.groups[i]
		if g.first != h.first || g.last != h.last || g.n != h.n {
			return fmt.Errorf("%w: a list of %d traces, want %d", column.ErrCorrupt, g.n, h.n)
		}
		if err := same(g.frame, h.frame, "traces"); err != nil {
			return err
		}
	}
	for i, g := range x.hours {
		h := y.hours[i]
		if g.number != h.number {
			return fmt.Errorf("%w: hour %d, want %d", column.ErrCorrupt, g.number, h.number)
		}
		for _, f := range [][2]frame{{g.whole, h.whole}, {g.single, h.single}} {
			if err := same(f[0], f[1], "sums"); err != nil {
				return err
			}
		}
	}
	return nil
}
