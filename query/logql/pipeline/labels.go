package pipeline

import (
	"slices"
	"strings"

	"github.com/clewhq/clew/query/logql/entry"
)

// Names of the labels that tell what went wrong in a stage.
const (
	ErrorLabel        = "__error__"
	ErrorDetailsLabel = "__error_details__"
)

// clashSuffix is added to the name of an extracted label that the stream has.
const clashSuffix = "_extracted"

// Category is where a label comes from.
type Category uint8

// The categories, in the order in which Grafana lets them win.
const (
	FromStream Category = iota
	FromMeta
	FromParser
)

// Label is a label and where it comes from.
type Label struct {
	Name, Value string
	Category    Category
	extracted   bool // by a parser, and not set by label_format since
}

// Labels are the labels of the record under way. Structured metadata is made
// only when something asks for it. It is used again for every record.
type Labels struct {
	base    *entry.Stream
	dropped []bool // by index in base.Labels
	anyDrop bool
	extra   []Label
	order   []int // of extra, while it is sorted
	meta    func(dst []entry.Label) []entry.Label
	metaBuf []entry.Label
	hasMeta bool
	room    []Label // what Sorted gave away, and what it will

	err, details string
}

// Reset begins a record of stream v; meta appends its structured metadata.
func (b *Labels) Reset(v *entry.Stream, meta func([]entry.Label) []entry.Label) {
	if b.base != v || b.anyDrop {
		b.dropped = append(b.dropped[:0], make([]bool, len(v.Labels))...)
	}
	b.base, b.anyDrop = v, false
	b.extra = b.extra[:0]
	b.meta, b.hasMeta = meta, false
	b.err, b.details = "", ""
}

// loadMeta makes the structured metadata. A name that the stream has gets a suffix.
func (b *Labels) loadMeta() {
	if b.hasMeta {
		return
	}
	b.hasMeta = true
	if b.meta == nil {
		return
	}
	b.metaBuf = b.meta(b.metaBuf[:0])
	for _, l := range b.metaBuf {
		if b.baseHas(l.Name) {
			l.Name += clashSuffix
		}
		if b.find(l.Name) < 0 {
			b.extra = append(b.extra, Label{Name: l.Name, Value: l.Value, Category: FromMeta})
		}
	}
}

func (b *Labels) baseIndex(name string) int {
	for i := range b.base.Labels {
		if b.base.Labels[i].Name == name {
			return i
		}
	}
	return -1
}

// baseHas reports whether the stream has a label, even one dropped since.
func (b *Labels) baseHas(name string) bool { return b.baseIndex(name) >= 0 }

func (b *Labels) find(name string) int {
	for i := range b.extra {
		if b.extra[i].Name == name {
			return i
		}
	}
	return -1
}

// Lookup returns a label and whether it is there.
func (b *Labels) Lookup(name string) (Label, bool) {
	switch name {
	case ErrorLabel:
		return Label{Name: name, Value: b.err, Category: FromParser}, b.err != ""
	case ErrorDetailsLabel:
		return Label{Name: name, Value: b.details, Category: FromParser}, b.details != ""
	}
	if i := b.find(name); i >= 0 {
		return b.extra[i], true
	}
	if i := b.baseIndex(name); i >= 0 {
		if b.dropped[i] {
			return Label{}, false
		}
		return Label{Name: name, Value: b.base.Labels[i].Value, Category: FromStream}, true
	}
	if !b.hasMeta {
		b.loadMeta()
		if i := b.find(name); i >= 0 {
			return b.extra[i], true
		}
	}
	return Label{}, false
}

// Get returns the value of a label, "" where there is none.
func (b *Labels) Get(name string) string {
	l, _ := b.Lookup(name)
	return l.Value
}

// Set sets a label; a parsed one takes the place of any other of its name.
func (b *Labels) Set(c Category, name, value string) {
	if c == FromStream {
		c = FromParser
	}
	b.put(Label{Name: name, Value: value, Category: c})
}

// Extract sets a label that a parser found, under another name where the
// stream or the structured metadata has one of this name. Of a label found
// twice the first value counts.
func (b *Labels) Extract(name, value string) {
	if b.taken(name) {
		name += clashSuffix
	}
	if i := b.find(name); i >= 0 && b.extra[i].extracted {
		return
	}
	b.extract(name, value)
}

// Replace is Extract where of a label found twice the last value counts.
func (b *Labels) Replace(name, value string) {
	if b.taken(name) {
		name += clashSuffix
	}
	b.extract(name, value)
}

// taken reports whether a parser may not use a name.
func (b *Labels) taken(name string) bool {
	if b.baseHas(name) {
		return true
	}
	b.loadMeta()
	i := b.find(name)
	return i >= 0 && b.extra[i].Category == FromMeta
}

func (b *Labels) extract(name, value string) {
	b.put(Label{Name: name, Value: value, Category: FromParser, extracted: value != ""})
}

// put sets a label. Structured metadata of the same name gives way, now or
// when it is loaded.
func (b *Labels) put(l Label) {
	if l.Name == ErrorLabel || l.Name == ErrorDetailsLabel {
		b.SetError(l.Value, b.details)
		return
	}
	if i := b.baseIndex(l.Name); i >= 0 {
		b.dropped[i], b.anyDrop = true, true
	}
	if i := b.find(l.Name); i >= 0 {
		b.extra[i] = l
		return
	}
	b.extra = append(b.extra, l)
}

// Delete takes a label away.
func (b *Labels) Delete(name string) {
	switch name {
	case ErrorLabel:
		b.err = ""
		return
	case ErrorDetailsLabel:
		b.details = ""
		return
	}
	if i := b.baseIndex(name); i >= 0 {
		b.dropped[i], b.anyDrop = true, true
	}
	b.loadMeta()
	if i := b.find(name); i >= 0 {
		b.extra = slices.Delete(b.extra, i, i+1)
	}
}

// SetError marks the record as failed in a stage. The last error counts.
func (b *Labels) SetError(err, details string) { b.err, b.details = err, details }

// Failed returns the error of the record, "" for none.
func (b *Labels) Failed() string { return b.err }

// Append appends all labels, in no order, those without a value left out.
func (b *Labels) Append(dst []Label) []Label { return b.append(dst, false) }

// AppendAll is Append that keeps the labels that a stage set to nothing.
func (b *Labels) AppendAll(dst []Label) []Label { return b.append(dst, true) }

// append is Append that may keep the labels that a stage set to nothing.
func (b *Labels) append(dst []Label, empty bool) []Label {
	b.loadMeta()
	for i, l := range b.base.Labels {
		if !b.dropped[i] {
			dst = append(dst, Label{Name: l.Name, Value: l.Value, Category: FromStream})
		}
	}
	for _, l := range b.extra {
		if l.Value != "" || empty && l.Category == FromParser {
			dst = append(dst, l)
		}
	}
	if b.err != "" {
		dst = append(dst, Label{Name: ErrorLabel, Value: b.err, Category: FromParser})
	}
	if b.details != "" {
		dst = append(dst, Label{Name: ErrorDetailsLabel, Value: b.details, Category: FromParser})
	}
	return dst
}

// Sorted returns all labels sorted by name, as answers show them: also those
// that a stage looked for and did not find, with an empty value. Those of the
// stream are sorted already, and the few others are put between them.
func (b *Labels) Sorted() []Label {
	b.loadMeta()
	out := b.take(len(b.base.Labels) + len(b.extra) + 2)
	if b.err != "" || b.details != "" {
		out = b.append(out, true)
		slices.SortFunc(out, func(x, y Label) int { return strings.Compare(x.Name, y.Name) })
		return out
	}
	extra := b.sortExtra()
	for i, l := range b.base.Labels {
		if b.dropped[i] {
			continue
		}
		for len(extra) > 0 && b.extra[extra[0]].Name < l.Name {
			out = append(out, b.extra[extra[0]])
			extra = extra[1:]
		}
		out = append(out, Label{Name: l.Name, Value: l.Value, Category: FromStream})
	}
	for _, i := range extra {
		out = append(out, b.extra[i])
	}
	return out
}

// Bounds of the room for labels of answers: few shall not hold much memory, and
// many not be made one by one.
const (
	firstRoom = 32
	lastRoom  = 1024
)

// take returns an empty list for n labels that nobody else has.
func (b *Labels) take(n int) []Label {
	if cap(b.room)-len(b.room) < n {
		b.room = make([]Label, 0, max(n, min(max(2*cap(b.room), firstRoom), lastRoom)))
	}
	at := len(b.room)
	b.room = b.room[:at+n]
	return b.room[at : at : at+n]
}

// sortExtra returns the places of the labels in extra that are shown, sorted
// by their names.
func (b *Labels) sortExtra() []int {
	order := b.order[:0]
	for i := range b.extra {
		if b.extra[i].Value == "" && b.extra[i].Category != FromParser {
			continue
		}
		at := len(order)
		order = append(order, i)
		for ; at > 0 && b.extra[order[at-1]].Name > b.extra[i].Name; at-- {
			order[at] = order[at-1]
		}
		order[at] = i
	}
	b.order = order
	return order
}
