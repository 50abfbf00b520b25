package segment

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/column"
)

// keyList numbers the keys of a segment's attributes as they come.
type keyList struct {
	list  []string
	place map[string]int
}

// places returns the numbers of keys, in rising order.
func (l *keyList) places(keys []string) []int {
	out := l.numbers(keys)
	slices.Sort(out)
	return out
}

// numbers returns the number of each key.
func (l *keyList) numbers(keys []string) []int {
	if l.place == nil {
		l.place = map[string]int{}
	}
	out := make([]int, len(keys))
	for i, key := range keys {
		at, ok := l.place[key]
		if !ok {
			at = len(l.list)
			key = strings.Clone(key) // it stands in the memory of a block
			l.list = append(l.list, key)
			l.place[key] = at
		}
		out[i] = at
	}
	return out
}

func (l *keyList) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(l.list)))
	for _, key := range l.list {
		dst = column.AppendString(dst, key)
	}
	return dst
}

// keyTest is a condition and the keys of the segment that it accepts.
type keyTest struct {
	keys []bool
	// empty: it is true of records that have no such key.
	empty bool
}

func (r *Reader[T]) keyTests(where []storage.Condition) []keyTest {
	out := make([]keyTest, len(where))
	for i, w := range where {
		out[i].empty = w.Field != storage.FieldNone || w.Accept("")
		out[i].keys = make([]bool, len(r.keys))
		for k, key := range r.keys {
			out[i].keys[k] = w.Key != nil && w.Key(key)
		}
	}
	return out
}

// testKeys tells for each condition whether attributes of the block decide it;
// ok is false where one holds for none of its records.
func (b *block) testKeys(tests []keyTest) (decide []bool, ok bool) {
	decide = make([]bool, len(tests))
	for i, t := range tests {
		decide[i] = slices.ContainsFunc(b.keys, func(k int) bool { return t.keys[k] })
		if !decide[i] && !t.empty {
			return nil, false
		}
	}
	return decide, true
}
