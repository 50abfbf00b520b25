package elastic

import (
	"fmt"
	"strings"
	"time"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/telemetry"
)

// names are what clew's things are called in the cluster.
type names struct{ dataset string }

// maxName leaves room for what Elasticsearch puts around a data stream's name
// to name its indices; 255 bytes are its limit.
const maxName = 220

// stream is the data stream of a signal and tenant. Index names have no
// capitals: one becomes a point and the small letter. Tenants have no points.
func (n names) stream(sig telemetry.Signal, name string) string {
	var b strings.Builder
	b.WriteString(n.prefix(sig))
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			b.WriteByte('.')
			c |= 0x20
		}
		b.WriteByte(c)
	}
	return b.String()
}

func (n names) prefix(sig telemetry.Signal) string { return string(sig) + "-" + n.dataset + "-" }

// tenant is the tenant of a data stream.
func (n names) tenant(sig telemetry.Signal, stream string) (string, bool) {
	rest, ok := strings.CutPrefix(stream, n.prefix(sig))
	if !ok {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < len(rest); i++ {
		c := rest[i]
		if c == '.' && i+1 < len(rest) {
			i++
			c = rest[i] &^ 0x20
		}
		b.WriteByte(c)
	}
	return b.String(), tenant.Check(b.String()) == nil
}

// check returns an error where a tenant's name cannot be part of an index's.
func (n names) check(name string) error {
	if err := tenant.Check(name); err != nil {
		return err
	}
	if got := len(n.stream(telemetry.Traces, name)); got > maxName {
		return fmt.Errorf("tenant %q: its data stream's name would have %d bytes, %d at most; a capital counts for two", name, got, maxName)
	}
	return nil
}

// streams is the index of what is known of the streams of a month, or of all
// months for "*".
func (n names) streams(month string) string { return "clew-streams-" + n.dataset + "-" + month }

func (n names) deletions() string { return "clew-deletions-" + n.dataset }

// calls is the index of sums of calls.
func (n names) calls() string { return "clew-calls-" + n.dataset }

func (n names) deadLetters() string { return "clew-deadletter-" + n.dataset }

// policy is the lifecycle policy of a signal.
func (n names) policy(sig telemetry.Signal) string { return "clew-" + string(sig) + "-" + n.dataset }

// dayOf numbers the days since 1970.
func dayOf(t int64) int64 { return max(t, 0) / int64(day) }

func monthOf(t int64) string { return time.Unix(0, max(t, 0)).UTC().Format("2006.01") }
