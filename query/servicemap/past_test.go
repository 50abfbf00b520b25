package servicemap_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/query/servicemap"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// load is requests of one service, one every four seconds, in minutes of a day: every
// nth of them fails.
type load struct {
	service  string
	from, to int
	each     time.Duration
	nth      int
}

// noon is the beginning of the hour that is asked for.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC).UnixNano()

func (l load) spans() (out []telemetry.Span) {
	stream := correlatetest.Stream(l.service)
	for at := noon + int64(l.from)*int64(time.Minute); at < noon+int64(l.to)*int64(time.Minute); at += int64(4 * time.Second) {
		s := telemetry.Span{Stream: stream, Kind: telemetry.SpanKindServer, Name: "GET /", Start: at, End: at + int64(l.each)}
		binary.BigEndian.PutUint64(s.SpanID[:], uint64(at))
		copy(s.TraceID[:], s.SpanID[:])
		copy(s.TraceID[8:], l.service)
		if l.nth > 0 && len(out)%l.nth == 0 {
			s.Status = telemetry.StatusError
		}
		out = append(out, s)
	}
	return out
}

// The hour from noon on, what was before it, and what is to be said of it.
var pasts = []struct {
	name string
	load []load
	want string // "since" in minutes after noon, where the store adds calls up
}{
	{"as ever", []load{{"a", -120, 60, 20 * time.Millisecond, 0}}, "ok"},
	{"some errors, as ever", []load{{"a", -120, 60, 20 * time.Millisecond, 50}}, "ok"},
	{"more errors than ever, and few", []load{{"a", -120, 30, 20 * time.Millisecond, 1000}, {"a", 30, 60, 20 * time.Millisecond, 30}},
		"degraded errors@30: 1.78% of 900 calls failed, before it was 0.111% of 1800"},
	{"more errors than is good", []load{{"a", -120, 30, 20 * time.Millisecond, 0}, {"a", 30, 60, 20 * time.Millisecond, 5}},
		"degraded errors@30: 10% of 900 calls failed, before it was 0% of 1800"},
	{"all fail", []load{{"a", -120, 0, 20 * time.Millisecond, 0}, {"a", 0, 60, 20 * time.Millisecond, 1}},
		"down errors@0: 100% of 900 calls failed, before it was 0% of 1800"},
	{"slower than ever", []load{{"a", -120, 40, 20 * time.Millisecond, 0}, {"a", 40, 60, 200 * time.Millisecond, 0}},
		"degraded latency@40: the slowest 5% of 900 calls take 200 ms or more, before it was 20 ms"},
	{"slow, as ever", []load{{"a", -120, 60, 5 * time.Second, 0}}, "ok"},
	{"twice as slow, but quick", []load{{"a", -120, 0, time.Millisecond, 0}, {"a", 0, 60, 3 * time.Millisecond, 0}}, "ok"},
	{"slow, and nobody knows how it was", []load{{"a", 0, 60, 5 * time.Second, 0}}, "ok"},
	{"errors, and nobody knows how it was", []load{{"a", 0, 60, time.Millisecond, 10}}, "degraded errors@0: 10% of 900 calls failed, and there were none before"},
	{"two errors, as chance has it", []load{{"a", -120, 0, time.Millisecond, 0}, {"a", 50, 60, time.Millisecond, 149}}, "ok"},
}

func TestAgainstThePast(t *testing.T) {
	for _, c := range pasts {
		var spans []telemetry.Span
		for _, l := range c.load {
			spans = append(spans, l.spans()...)
		}
		slow := correlatetest.New()
		slow.AddSpans(storagetest.Tenant, spans...)
		quick := storeIn(t, vfs.NewMem(), nil)
		storagetest.WriteSpans(t, quick, storagetest.Tenant, storagetest.SpanBatch(spans))
		if err := quick.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		// A store that cannot add up is not asked for a day, nor since when.
		hour := strings.NewReplacer("of 1800", "of 900")
		for name, s := range map[string]storage.Reader{"spans": slow, "sums": quick} {
			m, err := servicemap.New(servicemap.DefaultConfig(), s).Map(t.Context(), servicemap.Query{Tenant: storagetest.Tenant, From: noon, To: noon + int64(time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(m.Nodes, func(n servicemap.Node) bool { return n.ID == "a" })
			got, want := m.Nodes[i].Health, c.want
			for _, r := range m.Nodes[i].Reasons {
				since := ""
				if r.Since != nil {
					since = fmt.Sprintf("@%d", int(r.Since.Sub(time.Unix(0, noon)).Minutes()))
				}
				got += fmt.Sprintf(" %s%s: %s", r.Kind, since, r.Text)
				if r.TraceID == "" {
					t.Errorf("%s: no trace shows it", c.name)
				}
			}
			if name == "spans" {
				want = hour.Replace(want)
				if at := strings.IndexByte(want, '@'); at >= 0 {
					want = want[:at] + want[at+strings.IndexByte(want[at:], ':'):]
				}
			}
			if got != want {
				t.Errorf("%s, from %s: got %s\nwant %s", c.name, name, got, want)
			}
		}
	}
}
