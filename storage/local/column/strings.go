package column

import "encoding/binary"

// How a column of strings is written.
const (
	stringsPlain = iota // lengths, then all bytes
	stringsDict         // distinct strings in order of appearance, then one number a row
)

// AppendStrings appends a column of strings. Where at most half of them are
// distinct they stand in a dictionary.
func AppendStrings(dst []byte, vals []string) []byte {
	if len(vals) > 0 {
		if dict, refs := dictionary(vals); dict != nil {
			dst = append(dst, stringsDict)
			dst = binary.AppendUvarint(dst, uint64(len(dict)))
			for _, s := range dict {
				dst = AppendString(dst, s)
			}
			return AppendInts(dst, refs)
		}
	}
	dst = append(dst, stringsPlain)
	lens := make([]int64, len(vals))
	for i, s := range vals {
		lens[i] = int64(len(s))
	}
	dst = AppendInts(dst, lens)
	for _, s := range vals {
		dst = append(dst, s...)
	}
	return dst
}

// dictionary returns nil where too many strings are distinct to be worth it.
func dictionary(vals []string) (dict []string, refs []int64) {
	limit := len(vals)/2 + 1
	refs = make([]int64, len(vals))
	index := make(map[string]int64, 64)
	for i, s := range vals {
		// Runs are common: blocks are sorted by stream.
		if i > 0 && s == vals[i-1] {
			refs[i] = refs[i-1]
			continue
		}
		ref, ok := index[s]
		if !ok {
			if len(dict) == limit {
				return nil, nil
			}
			ref = int64(len(dict))
			index[s] = ref
			dict = append(dict, s)
		}
		refs[i] = ref
	}
	return dict, refs
}

// Strings reads n strings, which point into the cursor's bytes.
func (c *Cursor) Strings(n int) []string {
	switch mode := c.Byte(); {
	case c.err != nil:
		return nil
	case mode == stringsDict:
		return c.dictStrings(n)
	case mode == stringsPlain:
		return c.plainStrings(n)
	default:
		c.Fail("string encoding %d is unknown", mode)
		return nil
	}
}

func (c *Cursor) dictStrings(n int) []string {
	dict := make([]string, c.Count(1))
	for i := range dict {
		dict[i] = c.String()
	}
	refs := c.Ints(n)
	if c.err != nil {
		return nil
	}
	out := make([]string, n)
	for i, ref := range refs {
		if ref < 0 || ref >= int64(len(dict)) {
			c.Fail("string %d of a dictionary of %d", ref, len(dict))
			return nil
		}
		out[i] = dict[ref]
	}
	return out
}

func (c *Cursor) plainStrings(n int) []string {
	lens := c.Ints(n)
	if c.err != nil {
		return nil
	}
	out := make([]string, n)
	for i, l := range lens {
		if l < 0 || l > int64(len(c.b)) {
			c.Fail("string of %d bytes where %d are left", l, len(c.b))
			return nil
		}
		out[i] = asString(c.Bytes(int(l)))
	}
	return out
}
