package correlation

// How long IDs are that a counter makes before it is started again.
const (
	maxCounted = 11 // digits
	maxShort   = 5  // letters and digits, behind a prefix where there is one
)

// IsCounted reports whether an ID, in its normal form, may come from a counter
// that every process has for itself, as those that pino and Fastify give to
// requests: 17, req-1z. Two records that share it need have nothing in common.
func IsCounted(id string) bool {
	if len(id) <= maxCounted && allDigits(id) {
		return true
	}
	tail := id
	if sep := segmentEnd(id, 0); sep < len(id) && sep <= maxPrefix && count(id[:sep]).digits == 0 {
		tail = id[sep+1:]
	}
	return len(tail) <= maxShort
}
