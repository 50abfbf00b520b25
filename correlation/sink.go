package correlation

// mapFrom is the number of IDs of one record from which on looking a value up
// in a map beats comparing.
const mapFrom = 24

// sink gathers IDs, or their hashes.
type sink struct {
	ids    []ID
	base   int            // ids before it were there before
	byText map[string]int // only where there are many

	hashes  []uint64
	hashing bool
}

// emit takes an ID as it is spelled.
func (w *walker) emit(id string, kind Kind) {
	if w.hashing {
		var buf [maxToken]byte
		w.hashes = append(w.hashes, hashBytes(appendNormal(buf[:0], id)))
		return
	}
	w.add(Normalize(id), kind)
}

// emitNormal takes an ID that is in its normal form already.
func (w *walker) emitNormal(id []byte, kind Kind) {
	if w.hashing {
		w.hashes = append(w.hashes, hashBytes(id))
		return
	}
	w.add(string(id), kind)
}

// add keeps each value once, under the best of the kinds it came with.
func (w *walker) add(value string, kind Kind) {
	if i := w.find(value); i >= 0 {
		if w.ids[i].Kind == Token && kind != Token {
			w.ids[i].Kind, w.ids[i].Source = kind, w.src.String()
		}
		return
	}
	if w.byText != nil {
		w.byText[value] = len(w.ids)
	}
	w.ids = append(w.ids, ID{Value: value, Kind: kind, Source: w.src.String()})
}

func (w *walker) find(value string) int {
	if len(w.ids)-w.base < mapFrom {
		for i := w.base; i < len(w.ids); i++ {
			if w.ids[i].Value == value {
				return i
			}
		}
		return -1
	}
	if w.byText == nil {
		w.byText = make(map[string]int, 4*mapFrom)
		for i := w.base; i < len(w.ids); i++ {
			w.byText[w.ids[i].Value] = i
		}
	}
	if i, ok := w.byText[value]; ok {
		return i
	}
	return -1
}
