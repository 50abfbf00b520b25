package head

import "bytes"

// MayHold tells of any row whether its text may hold all of the literals,
// without decoding it: the requests' bytes are searched. It is nil where all may.
func (r *Run[T]) MayHold(lits []string) func(row int) bool {
	if len(lits) == 0 {
		return nil
	}
	may := make([]bool, len(r.raws))
	for i := range r.raws {
		may[i] = r.odd[i] || holdsAll(r.raws[i], lits)
	}
	return func(row int) bool { return may[r.rows[row].raw] }
}

func holdsAll(raw []byte, lits []string) bool {
	for _, lit := range lits {
		if !bytes.Contains(raw, []byte(lit)) {
			return false
		}
	}
	return true
}
