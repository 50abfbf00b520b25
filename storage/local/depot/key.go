package depot

import (
	"fmt"
	"strconv"
	"strings"
)

const segmentsPrefix = "segments/"

// Place is what a key says of a segment.
type Place struct {
	Tenant, Signal, Day string
	ID                  uint64
}

// Key returns the key of a segment that is uploaded at a time. Each upload has
// one of its own, so that none ever overwrites another.
func Key(p Place, nanos int64) string {
	return fmt.Sprintf("%s%s/%s/%s/%016d-%016x.seg", segmentsPrefix, p.Tenant, p.Signal, p.Day, p.ID, uint64(nanos))
}

// ParseKey returns what a key says.
func ParseKey(key string) (p Place, ok bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 5 || parts[0]+"/" != segmentsPrefix {
		return p, false
	}
	name, ok := strings.CutSuffix(parts[4], ".seg")
	id, nanos, found := strings.Cut(name, "-")
	if !ok || !found || len(id) != 16 || len(nanos) != 16 {
		return p, false
	}
	n, err := strconv.ParseUint(id, 10, 64)
	if _, herr := strconv.ParseUint(nanos, 16, 64); err != nil || herr != nil {
		return p, false
	}
	return Place{Tenant: parts[1], Signal: parts[2], Day: parts[3], ID: n}, true
}
