package callsum

import (
	"cmp"
	"encoding/binary"
	"maps"
	"math"
	"slices"

	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

// version is the format of these bytes.
const version = 1

// types are the types of nodes by the number that stands for them.
var types = []string{"", calls.TypeService, calls.TypeDatabase, calls.TypeQueue, calls.TypeExternal, calls.TypeUser}

// fewSteps of an hour are not added up: that would save a reader little.
const fewSteps = 6

// Append appends all that was added. The builder is done then.
func (b *Builder) Append(dst []byte) ([]byte, error) {
	if len(b.rows.List) > 0 {
		b.endTrace()
	}
	width := b.widen()
	head := binary.AppendUvarint(nil, version)
	head = binary.AppendVarint(head, int64(b.rules.Around))
	head = binary.AppendUvarint(head, uint64(width))
	head = b.appendNames(head)
	head, frames, err := b.appendTraces(head, nil)
	if err != nil {
		return dst, err
	}
	if head, frames, err = b.appendHours(head, frames); err != nil {
		return dst, err
	}
	dst = binary.AppendUvarint(dst, uint64(len(head)))
	dst = append(dst, head...)
	return append(dst, frames...), nil
}

func (b *Builder) appendNames(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(b.names.Len()))
	for i := range int32(b.names.Len()) {
		n := b.names.Node(i)
		dst = append(dst, byte(max(slices.Index(types, n.Type), 0)))
		dst = column.AppendString(dst, n.ID)
		dst = column.AppendString(dst, b.names.Space(i))
	}
	return dst
}

func (f frame) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(f.length))
	return binary.AppendUvarint(dst, uint64(f.raw))
}

// appendTraces appends the lists of traces, one for every hour in which some
// began.
func (b *Builder) appendTraces(head, frames []byte) (_, _ []byte, err error) {
	slices.SortFunc(b.traces, func(x, y trace) int {
		return cmp.Or(cmp.Compare(hourOf(calls.MinuteOf(x.first)), hourOf(calls.MinuteOf(y.first))), cmp.Compare(x.hash, y.hash), cmp.Compare(x.block, y.block))
	})
	var groups [][]trace
	for i := 0; i < len(b.traces); {
		hour, end := hourOf(calls.MinuteOf(b.traces[i].first)), i
		for end < len(b.traces) && hourOf(calls.MinuteOf(b.traces[end].first)) == hour {
			end++
		}
		groups = append(groups, b.traces[i:end])
		i = end
	}
	head = binary.AppendUvarint(head, uint64(len(groups)))
	var raw []byte
	for _, g := range groups {
		first, last := g[0].first, g[0].last
		raw = raw[:0]
		prev := uint32(0)
		for _, t := range g {
			first, last = min(first, t.first), max(last, t.last)
			raw = binary.AppendUvarint(raw, uint64(t.hash-prev))
			prev = t.hash
		}
		for _, t := range g {
			raw = binary.AppendUvarint(raw, uint64(t.block))
		}
		var f frame
		if frames, f, err = pack(frames, raw); err != nil {
			return nil, nil, err
		}
		head = binary.AppendVarint(head, first)
		head = binary.AppendVarint(head, last)
		head = f.append(binary.AppendUvarint(head, uint64(len(g))))
	}
	return head, frames, nil
}

// appendHours appends the sums, hour by hour: first what the whole hour is
// about, then its steps one by one.
func (b *Builder) appendHours(head, frames []byte) (_, _ []byte, err error) {
	numbers := slices.Sorted(maps.Keys(b.steps))
	var hours [][]int64
	for i := 0; i < len(numbers); {
		end := i
		for end < len(numbers) && hourOf(numbers[end]) == hourOf(numbers[i]) {
			end++
		}
		hours = append(hours, numbers[i:end])
		i = end
	}
	head = binary.AppendUvarint(head, uint64(len(hours)))
	for _, h := range hours {
		e := b.encode(h)
		var whole, single frame
		if frames, whole, err = pack(frames, e.whole()); err != nil {
			return nil, nil, err
		}
		if frames, single, err = pack(frames, e.single()); err != nil {
			return nil, nil, err
		}
		head = single.append(whole.append(binary.AppendVarint(head, hourOf(h[0]))))
	}
	return head, frames, nil
}

// hour is one that is being encoded.
type hour struct {
	number  int64
	numbers []int64 // the first minutes of its steps
	steps   []*step
	keys    []key
	place   map[key]int
	traces  []telemetry.TraceID // of the samples
	known   map[telemetry.TraceID]int
}

func (b *Builder) encode(numbers []int64) *hour {
	h := &hour{number: hourOf(numbers[0]), numbers: numbers, place: map[key]int{}, known: map[telemetry.TraceID]int{}}
	for _, n := range numbers {
		m := b.steps[n]
		h.steps = append(h.steps, m)
		for k := range m.tallies {
			h.place[k] = 0
		}
	}
	h.keys = slices.SortedFunc(maps.Keys(h.place), compareKeys)
	for i, k := range h.keys {
		h.place[k] = i
		for _, m := range h.steps {
			if t := m.tallies[k]; t != nil {
				slices.Sort(t.bins)
				h.know(t.samples)
			}
		}
	}
	return h
}

func compareKeys(a, b key) int {
	return cmp.Or(cmp.Compare(a.what, b.what), cmp.Compare(a.a, b.a), cmp.Compare(a.b, b.b), cmp.Compare(a.c, b.c), cmp.Compare(a.d, b.d))
}

func (h *hour) know(samples []calls.Sample) {
	for _, s := range samples {
		if _, ok := h.known[s.Trace]; !ok {
			h.known[s.Trace] = len(h.traces)
			h.traces = append(h.traces, s.Trace)
		}
	}
}

// whole is what the hour is about and, where that spares a reader something,
// its sums.
func (h *hour) whole() []byte {
	dst := binary.AppendUvarint(nil, uint64(len(h.traces)))
	for i := range h.traces {
		dst = append(dst, h.traces[i][:]...)
	}
	dst = binary.AppendUvarint(dst, uint64(len(h.keys)))
	for _, k := range h.keys {
		dst = append(dst, k.what)
		for _, n := range []int32{k.a, k.b, k.c, k.d} {
			dst = binary.AppendVarint(dst, int64(n))
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(h.steps)))
	for i, s := range h.steps {
		dst = append(dst, byte(h.numbers[i]-h.number*minutesOfHour))
		dst = binary.AppendUvarint(dst, uint64(len(s.present)))
		for _, m := range slices.Sorted(maps.Keys(s.present)) {
			dst = append(dst, byte(m-h.number*minutesOfHour))
			dst = binary.AppendUvarint(dst, uint64(len(s.present[m])))
			prev := int32(0)
			for _, service := range slices.Sorted(maps.Keys(s.present[m])) {
				dst = binary.AppendUvarint(dst, uint64(service-prev))
				prev = service
			}
		}
	}
	if len(h.steps) <= fewSteps {
		return dst
	}
	for _, k := range h.keys {
		var sum tally
		for _, m := range h.steps {
			if t := m.tallies[k]; t != nil {
				sum.merge(t, hourSamples)
			}
		}
		slices.Sort(sum.bins)
		dst = h.append(dst, k, &sum)
	}
	return dst
}

// single is the steps one by one, each behind its length.
func (h *hour) single() []byte {
	var dst, buf []byte
	for _, m := range h.steps {
		buf = binary.AppendUvarint(buf[:0], uint64(len(m.tallies)))
		prev := 0
		for _, k := range slices.SortedFunc(maps.Keys(m.tallies), compareKeys) {
			buf = binary.AppendUvarint(buf, uint64(h.place[k]-prev))
			prev = h.place[k]
			buf = h.append(buf, k, m.tallies[k])
		}
		dst = append(binary.AppendUvarint(dst, uint64(len(buf))), buf...)
	}
	return dst
}

// append appends a tally; its bins are sorted.
func (h *hour) append(dst []byte, k key, t *tally) []byte {
	weighs := uint64(0)
	if t.weight != float64(t.calls) {
		weighs = 1
	}
	dst = binary.AppendUvarint(dst, uint64(t.calls)<<1|weighs)
	if weighs == 1 {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(t.weight))
	}
	if k.what != sumOdd {
		dst = binary.AppendUvarint(dst, uint64(t.errors))
		dst = appendBins(dst, t.bins)
	}
	if k.what != sumEntry {
		dst = binary.AppendUvarint(dst, uint64(len(t.samples)))
		for _, s := range t.samples {
			failed := uint64(0)
			if s.Failed {
				failed = 1
			}
			dst = binary.AppendUvarint(dst, uint64(h.known[s.Trace]))
			dst = binary.AppendUvarint(dst, uint64(max(s.Dur, 0))<<1|failed)
		}
	}
	return dst
}

// appendBins appends sorted bins as runs.
func appendBins(dst []byte, bins []uint16) []byte {
	runs := 0
	for i := range bins {
		if i == 0 || bins[i] != bins[i-1] {
			runs++
		}
	}
	dst = binary.AppendUvarint(dst, uint64(runs))
	prev := uint16(0)
	for i := 0; i < len(bins); {
		end := i
		for end < len(bins) && bins[end] == bins[i] {
			end++
		}
		dst = binary.AppendUvarint(dst, uint64(bins[i]-prev))
		dst = binary.AppendUvarint(dst, uint64(end-i))
		prev, i = bins[i], end
	}
	return dst
}
