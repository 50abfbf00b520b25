package segment_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/storage/local/segment"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// story returns the lines of requests as four services write them, by service
// and time as a segment has them: each request's IDs stand in a line of every
// service, in fields, attributes and the text.
func story(seed uint64, requests int) []telemetry.Log {
	g := storagetest.NewGen(seed)
	services := make([][]telemetry.Log, 4)
	for i := range requests {
		trace, request, order := g.TraceID(), g.RequestID(), fmt.Sprintf("01%08d%016d", seed, i)
		for s := range services {
			span := g.SpanID()
			l := telemetry.Log{
				Stream: g.Streams[s], Time: storagetest.Base + int64(seed)*1e12 + int64(i)*1e6 + int64(s), TraceID: trace, SpanID: span,
				Body: telemetry.String(fmt.Sprintf("request %s of trace %s span %s", request, trace, span)),
			}
			if s%2 == 0 {
				l.Attrs = telemetry.Attrs{{Key: "request.id", Value: telemetry.String(request)}, {Key: "order.id", Value: telemetry.String(order)}}
			}
			services[s] = append(services[s], l)
		}
	}
	return slices.Concat(services...)
}

// TestTablesOfIDs: blocks share their IDs, in one segment and in one that was
// joined, and joined again; every block can be read alone.
func TestTablesOfIDs(t *testing.T) {
	fs := vfs.NewMem()
	a, b, c := story(21, 200), story(22, 90), story(23, 3)
	in := pieces(t, fs, segment.Logs, a, b, c)
	first := join(t, fs, segment.Logs, in[1:], "first")
	second := join(t, fs, segment.Logs, []*segment.Reader[telemetry.Log]{first, in[0]}, "second")
	for _, s := range []struct {
		r    *segment.Reader[telemetry.Log]
		want []telemetry.Log
	}{{in[0], a}, {first, slices.Concat(b, c)}, {second, slices.Concat(b, c, a)}} {
		got, errs := readAll(s.r, allRows[telemetry.Log]())
		if d := storagetest.DiffLogs(got, s.want); d != "" || errs != nil {
			t.Fatalf("%s, %v", d, errs)
		}
		for i := 0; i < len(s.want); i += 37 {
			checkID(t, s.r, s.want, s.want[i].TraceID.String())
		}
	}
	// 800 lines of 200 requests: 48 bytes of IDs a request, and 8 a line.
	const ids = 200*48 + 800*8
	if size := in[0].Info().Bytes; size > ids*2 {
		t.Errorf("%d bytes, of which %d are IDs", size, ids)
	}
}

// TestTablesEnd: IDs that stand nowhere else end one table after the other, and
// cost as much as in one. A table has 512 KiB.
func TestTablesEnd(t *testing.T) {
	const n = 24_000
	g := storagetest.NewGen(24)
	rows := make([]telemetry.Log, n)
	for i := range rows {
		rows[i] = telemetry.Log{Stream: g.Streams[0], Time: storagetest.Base + int64(i), TraceID: g.TraceID(), SpanID: g.SpanID()}
	}
	rows[n-1].TraceID = rows[0].TraceID
	fs := vfs.NewMem()
	opts := options()
	opts.BlockRows = 1000
	info := write(t, fs, segment.Logs, rows, opts)
	r := open(t, fs, path, segment.Logs)
	got, errs := readAll(r, allRows[telemetry.Log]())
	if d := storagetest.DiffLogs(got, rows); d != "" || errs != nil {
		t.Fatalf("%s, %v", d, errs)
	}
	r.Verify(func(err error) { t.Error(err) })
	if info.Bytes > n*40 {
		t.Errorf("%d bytes for %d lines with IDs of 24", info.Bytes, n)
	}
}

// TestDamagedTable flips bytes of a segment whose blocks share IDs, with its
// other blocks read before and after: what does not need them still comes, and
// what comes is right.
func TestDamagedTable(t *testing.T) {
	rows := story(25, 60)
	fs := vfs.NewMem()
	opts := options()
	opts.BlockRows = 40
	write(t, fs, segment.Logs, rows, opts)
	good := fileBytes(t, fs)
	byTime := map[int64]*telemetry.Log{}
	for i := range rows {
		byTime[rows[i].Time] = &rows[i]
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		bad := slices.Clone(good)
		at := r.IntN(len(bad))
		bad[at] ^= byte(1 << r.IntN(8))
		checkDamaged(t, fmt.Sprintf("byte %d", at), bad, byTime)
	}
}

// TestLostIDs: where the IDs that a block gave are damaged, that block and
// those with the same IDs fail, and the others do not.
func TestLostIDs(t *testing.T) {
	g := storagetest.NewGen(26)
	lines := func(first, n int, trace telemetry.TraceID) (out []telemetry.Log) {
		for i := range n {
			out = append(out, telemetry.Log{Stream: g.Streams[0], Time: storagetest.Base + int64(first+i), TraceID: trace, Body: telemetry.String("line")})
		}
		return out
	}
	a, b := g.TraceID(), g.TraceID()
	rows := slices.Concat(lines(0, 50, a), lines(50, 50, b), lines(100, 50, a), lines(150, 50, b))
	fs := vfs.NewMem()
	write(t, fs, segment.Logs, rows, options())
	raw := fileBytes(t, fs)
	at := slices.Index(raw, b[0])
	for ; [16]byte(raw[at:at+16]) != b; at++ {
	}
	raw[at] ^= 1
	seg := open(t, fsOf(t, raw), path, segment.Logs)
	for block, lost := range []bool{false, true, false, true} {
		found, err := seg.Read(&record.Query[telemetry.Log]{Columns: storage.ColAll}, segment.Part{Block: block})
		if err == nil {
			_, err = found.Take(0, found.Len(), storage.ColAll)
		}
		var bad *segment.CorruptionError
		if lost != (err != nil) || lost && (!errors.As(err, &bad) || bad.Offset != int64(at)) {
			t.Errorf("block %d: %v; the damaged ID stands at %d", block, err, at)
		}
	}
}
