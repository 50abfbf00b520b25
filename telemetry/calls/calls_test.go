package calls

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/clewhq/clew/telemetry"
)

func TestBins(t *testing.T) {
	prev := -1
	for _, v := range []int64{-5, 0, 1, 127, 128, 129, 255, 256, 1000, 1e6, 123_456_789, 1e9, 3600e9, math.MaxInt64} {
		bin := BinOf(v)
		if bin < prev || bin >= Bins {
			t.Errorf("%d is in bin %d behind %d of %d", v, bin, prev, Bins)
		}
		prev = bin
		if off := math.Abs(float64(valueOf(bin)) - float64(max(v, 0))); off > float64(max(v, 0))*SketchError {
			t.Errorf("%d reads as %d", v, valueOf(bin))
		}
	}
	for bin := range Bins {
		if got := BinOf(valueOf(bin)); got != bin {
			t.Fatalf("the middle of bin %d is in bin %d", bin, got)
		}
	}
}

// A sketch's percentiles are those of the durations, within its error, however
// it was put together, and what was taken out of it is gone.
func TestDurations(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 200 {
		var all []int64
		var parts [3]Durations
		for range 1 + r.IntN(300) {
			v := int64(math.Exp(r.Float64() * 25))
			all = append(all, v)
			if p := r.IntN(3); p == 0 {
				parts[0].Add(v)
			} else {
				parts[p].AddBin(BinOf(v), 1)
			}
		}
		for range r.IntN(20) {
			v := int64(math.Exp(r.Float64() * 25))
			parts[0].AddBin(BinOf(v), -1)
			parts[1].AddBin(BinOf(v), 1)
		}
		var sum Durations
		for _, i := range r.Perm(3) {
			sum.Merge(&parts[i])
		}
		slices.Sort(all)
		for i, q := range []float64{0, 0.5, 0.95, 0.99, 1} {
			want := float64(all[rank(q, int64(len(all)))])
			if got := float64(sum.Percentiles(0, 0.5, 0.95, 0.99, 1)[i]); math.Abs(got-want) > want*SketchError {
				t.Fatalf("percentile %g of %d is %g, want %g", q, len(all), got, want)
			}
		}
	}
	var none Durations
	if got := none.Percentiles(0.5); got[0] != 0 {
		t.Errorf("percentile of nothing: %d", got[0])
	}
	none.AddBin(9, 1)
	none.AddBin(9, -1)
	if got := none.Percentiles(0.5); got[0] != 0 {
		t.Errorf("percentile of what was taken out: %d", got[0])
	}
}

func TestKeep(t *testing.T) {
	s := func(trace byte, failed bool, dur int64) Sample {
		return Sample{telemetry.TraceID{trace}, failed, dur}
	}
	in := []Sample{s(1, false, 10), s(2, true, 1), s(3, false, 30), s(1, false, 40), s(4, true, 2), s(5, false, 5), s(3, false, 20), s(2, true, 1)}
	want := []Sample{s(4, true, 2), s(2, true, 1), s(1, false, 40)}
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		r.Shuffle(len(in), func(i, j int) { in[i], in[j] = in[j], in[i] })
		var got []Sample
		for _, x := range in {
			got = Keep(got, x, 3)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("of %v kept %v", in, got)
		}
	}
	if got := Keep(nil, in[0], 0); len(got) != 0 {
		t.Errorf("none wanted, kept %v", got)
	}
}

// Of attributes that answer the same question the newest name counts, wherever
// it stands.
func TestClassify(t *testing.T) {
	stream := telemetry.NewStream(telemetry.Resource{}, telemetry.Scope{})
	for name, c := range map[string]struct {
		kind           telemetry.SpanKind
		attrs          []string
		protocol, peer string
	}{
		"nothing known":           {telemetry.SpanKindClient, nil, "unknown", ""},
		"newer names first":       {telemetry.SpanKindClient, []string{"net.peer.name", "old", "server.address", "new:80", "db.type", "sql", "db.system.name", "mysql", "db.name", "a", "db.namespace", "b"}, "db", "mysql:new/b"},
		"an empty newer name":     {telemetry.SpanKindClient, []string{"server.address", "", "net.peer.name", "old"}, "unknown", "old"},
		"a name is no address":    {telemetry.SpanKindClient, []string{"peer.service", "a:1"}, "unknown", "a:1"},
		"an address":              {telemetry.SpanKindClient, []string{"server.address", "a:1"}, "unknown", "a"},
		"an address of version 6": {telemetry.SpanKindClient, []string{"server.address", "[2001:db8::1]:80"}, "unknown", "2001:db8::1"},
		"a URL":                   {telemetry.SpanKindClient, []string{"http.url", "https://x.example:8443/a"}, "http", "x.example"},
		"no URL":                  {telemetry.SpanKindClient, []string{"http.url", "::", "http.host", "y.example:1"}, "http", "y.example"},
		"the system before HTTP":  {telemetry.SpanKindClient, []string{"http.method", "POST", "rpc.system", "GRPC"}, "grpc", ""},
		"the first system":        {telemetry.SpanKindClient, []string{"db.system", "redis", "messaging.system", "kafka"}, "db", "kafka"},
		"a topic":                 {telemetry.SpanKindProducer, []string{"messaging.destination", "t"}, "messaging", "messaging:t"},
		"a topic without a name":  {telemetry.SpanKindConsumer, nil, "messaging", ""},
		"a server names nobody":   {telemetry.SpanKindServer, []string{"server.address", "me"}, "unknown", ""},
		"a database within":       {telemetry.SpanKindInternal, []string{"db.system", "sqlite"}, "db", "sqlite"},
	} {
		s := telemetry.Span{Stream: stream, Kind: c.kind}
		for i := 0; i < len(c.attrs); i += 2 {
			s.Attrs = append(s.Attrs, telemetry.Attr{Key: c.attrs[i], Value: telemetry.String(c.attrs[i+1])})
		}
		rows := NewRows(NewNames())
		for range 2 {
			rows.Add(&s, true)
			r := rows.List[len(rows.List)-1]
			peer := ""
			if r.Peer >= 0 {
				peer = rows.Names.Node(r.Peer).ID
			}
			if got := rows.Names.Node(r.Protocol).ID; got != c.protocol || peer != c.peer {
				t.Errorf("%s: protocol %s, peer %q, want %s, %q", name, got, peer, c.protocol, c.peer)
			}
		}
	}
}

func TestMinuteOf(t *testing.T) {
	for at, want := range map[int64]int64{0: 0, Minute - 1: 0, Minute: 1, -1: -1, -Minute: -1, -Minute - 1: -2} {
		if got := MinuteOf(at); got != want {
			t.Errorf("%d is in minute %d, want %d", at, got, want)
		}
	}
}
