package column

import "encoding/binary"

// How a column of integers is written.
const (
	intsConst = iota // one value for all
	intsPlain        // zigzag varints
	intsDelta        // zigzag varints of the differences
	intsRuns         // pairs of value and run length
)

func zigzag(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }

func uvarintLen(v uint64) int {
	n := 1
	for v >= 0x80 {
		v >>= 7
		n++
	}
	return n
}

// AppendInts appends vals in the smallest of the encodings. The number of
// values is not written: the reader knows it.
func AppendInts(dst []byte, vals []int64) []byte {
	if len(vals) == 0 {
		return append(dst, intsConst, 0)
	}
	switch chooseInts(vals) {
	case intsConst:
		return binary.AppendUvarint(append(dst, intsConst), zigzag(vals[0]))
	case intsRuns:
		return appendRuns(append(dst, intsRuns), vals)
	case intsDelta:
		dst = append(dst, intsDelta)
		prev := int64(0)
		for _, v := range vals {
			dst = binary.AppendUvarint(dst, zigzag(v-prev))
			prev = v
		}
		return dst
	}
	dst = append(dst, intsPlain)
	for _, v := range vals {
		dst = binary.AppendUvarint(dst, zigzag(v))
	}
	return dst
}

func chooseInts(vals []int64) int {
	plain, delta, runs, run := 0, 0, 0, 0
	prev := int64(0)
	for i, v := range vals {
		plain += uvarintLen(zigzag(v))
		delta += uvarintLen(zigzag(v - prev))
		if i == 0 || v != prev {
			run++
			runs += uvarintLen(zigzag(v)) + 2
		}
		prev = v
	}
	switch {
	case run == 1:
		return intsConst
	case runs <= plain && runs <= delta:
		return intsRuns
	case delta < plain:
		return intsDelta
	}
	return intsPlain
}

func appendRuns(dst []byte, vals []int64) []byte {
	for i := 0; i < len(vals); {
		j := i + 1
		for j < len(vals) && vals[j] == vals[i] {
			j++
		}
		dst = binary.AppendUvarint(dst, zigzag(vals[i]))
		dst = binary.AppendUvarint(dst, uint64(j-i))
		i = j
	}
	return dst
}

// Ints reads n integers.
func (c *Cursor) Ints(n int) []int64 {
	mode := c.Byte()
	// All but the short encodings take a byte a value at least.
	if (mode == intsPlain || mode == intsDelta) && n > len(c.b) {
		c.Fail("%d integers in %d bytes", n, len(c.b))
	}
	if c.err != nil {
		return nil
	}
	out := make([]int64, n)
	switch mode {
	case intsConst:
		v := c.Varint()
		for i := range out {
			out[i] = v
		}
	case intsPlain:
		for i := range out {
			out[i] = c.Varint()
		}
	case intsDelta:
		prev := int64(0)
		for i := range out {
			prev += c.Varint()
			out[i] = prev
		}
	case intsRuns:
		c.runs(out)
	default:
		c.Fail("integer encoding %d is unknown", mode)
	}
	if c.err != nil {
		return nil
	}
	return out
}

func (c *Cursor) runs(out []int64) {
	for len(out) > 0 && c.err == nil {
		v, n := c.Varint(), c.Uvarint()
		if n == 0 || n > uint64(len(out)) {
			c.Fail("run of %d values where %d are left", n, len(out))
			return
		}
		for i := range out[:n] {
			out[i] = v
		}
		out = out[n:]
	}
}
