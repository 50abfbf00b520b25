package callsums

import (
	"bytes"
	"compress/gzip"
	"encoding/gob"
	"reflect"
	"slices"
	"testing"

	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

// some is what two minutes tell.
func some() *Part {
	steps := calls.NewSteps(calls.NewNames(), 2, 1)
	names := steps.Range.Names
	shop := names.Intern(calls.Node{ID: "shop", Type: "service"})
	db := names.Intern(calls.Node{ID: "postgresql", Type: "database"})
	names.SetSpace(shop, "prod")
	for _, minute := range []int64{29_000_000, 29_000_003} {
		of := steps.At(minute)
		of.Present[shop] = true
		entry := calls.TallyOf(of.Entries, shop)
		call := calls.TallyOf(of.Calls, calls.Key{Source: shop, Target: db, Protocol: db, Caller: -1, Served: minute%2 == 0})
		odd := calls.TallyOf(of.Odds, calls.OddKey{Service: shop, Target: db, Reason: calls.PeerUnknown})
		for i, t := range []*calls.Tally{entry, call, odd} {
			t.Calls, t.Errors, t.Weight = 3, int64(i), 4.5
			for dur := range int64(3) {
				t.Durations.Add((dur + 1) * 1_000_000)
			}
			t.Samples = []calls.Sample{{Trace: telemetry.TraceID{1, byte(i)}, Failed: i > 0, Dur: 7}}
		}
	}
	return Of(steps, 29_000_000, 29_000_060)
}

// added is what a part adds to nothing.
func added(p *Part) *calls.Steps {
	steps := calls.NewSteps(calls.NewNames(), p.Samples, 1)
	p.AddTo(steps, p.First, p.End)
	p.AddSenders(steps, p.First, p.End)
	return steps
}

func encoded(t testing.TB, p *Part) []byte {
	t.Helper()
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestComesBackEqual(t *testing.T) {
	for _, few := range []int{1000, 0} {
		p := some()
		p.Fold(few)
		got, err := Decode(encoded(t, p))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, p) {
			t.Errorf("got %+v, want %+v", got, p)
		}
		if !reflect.DeepEqual(added(got), added(p)) {
			t.Error("it adds up to something else")
		}
	}
}

// TestDamage: what is cut, added to or changed is refused, or it is where nothing
// of the sums stands.
func TestDamage(t *testing.T) {
	p := some()
	b := encoded(t, p)
	for i := range b {
		if _, err := Decode(b[:i]); err == nil {
			t.Errorf("%d of %d bytes are taken", i, len(b))
		}
		for bit := range 8 {
			bad := slices.Clone(b)
			bad[i] ^= 1 << bit
			if got, err := Decode(bad); err == nil && !reflect.DeepEqual(got, p) {
				t.Errorf("bit %d of byte %d makes %+v", bit, i, got)
			}
		}
	}
	if _, err := Decode(append(slices.Clone(b), 0)); err == nil {
		t.Error("a byte behind the end is taken")
	}
}

// FuzzDecode: whatever stands in the index behind a good checksum, what is taken
// can be added up.
func FuzzDecode(f *testing.F) {
	p := some()
	for _, few := range []int{1000, 0} {
		p.Fold(few)
		var b bytes.Buffer
		if err := gob.NewEncoder(&b).Encode(p); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		if _, err := z.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if p, err := Decode(packed.Bytes()); err == nil {
			added(p)
		}
	})
}
