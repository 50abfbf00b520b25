package local

import (
	"context"
	"encoding/binary"
	"runtime"
	"sync"

	"github.com/zeebo/xxh3"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/head"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/storage/local/segment"
	"github.com/clewhq/clew/telemetry"
)

var (
	_ storage.LogGrouper   = (*Store)(nil)
	_ storage.LogVersioner = (*Store)(nil)
)

// CountLogGroups implements storage.LogGrouper. It counts blocks on all cores.
func (s *Store) CountLogGroups(ctx context.Context, q storage.LogQuery, width int64, by []storage.LogText, add func(storage.LogGroup, int64)) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	v := snapshot(s, s.logs, q.Tenant, q.From, q.To)
	defer v.release()
	if q.Stats != nil {
		q.Stats.Segments += int64(len(v.handles))
		q.Stats.SegmentsSkipped += int64(v.skipped)
	}
	g := &groupCount{counting: counting{s: s, q: record.LogQuery(q), width: width}, by: by, add: add}
	m := newMerge(s, s.logs, g.q)
	for _, r := range v.runs {
		if err := ctx.Err(); err != nil {
			return err
		}
		g.run(m, r)
	}
	return g.segments(ctx, v.handles)
}

// groupCount is a count in groups under way.
type groupCount struct {
	counting
	by  []storage.LogText
	add func(storage.LogGroup, int64)
}

// run counts the rows of a run one by one.
func (g *groupCount) run(m *merge[telemetry.Log], r *head.Run[telemetry.Log]) {
	sel := m.selectRows(r)
	if g.q.Stats != nil {
		g.q.Stats.Rows += int64(len(sel))
	}
	rows := &runRows[telemetry.Log]{m: m, run: r}
	for _, i := range sel {
		l := rows.one(i)
		if l.Severity != 0 && l.Severity < g.q.MinSeverity {
			continue
		}
		out := storage.LogGroup{Stream: l.Stream, Severity: l.Severity, Texts: make([]string, len(g.by))}
		if g.width > 0 {
			out.Bin = int((l.Time - g.q.From) / g.width)
		}
		for j, t := range g.by {
			out.Texts[j] = t.Of(l)
		}
		g.add(out, 1)
	}
}

func (g *groupCount) segments(ctx context.Context, handles []*handle[telemetry.Log]) error {
	jobs := make(chan countJob)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for j := range jobs {
				g.part(j)
			}
		})
	}
	err := g.feed(ctx, handles, jobs)
	close(jobs)
	workers.Wait()
	return err
}

// groupTally is what a part adds to one group.
type groupTally struct {
	group storage.LogGroup
	n     int64
}

// part counts one part. Where it is damaged nothing of it counts.
func (g *groupCount) part(j countJob) {
	var stats storage.ReadStats
	q := *g.q
	q.Stats = &stats
	var tallies []groupTally
	err := segment.CountGroups(j.reader, &q, j.part, g.width, g.by, func(group storage.LogGroup, n int64) {
		tallies = append(tallies, groupTally{group, n})
	})
	if err != nil {
		g.warn(j.handle, err)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if st := g.q.Stats; st != nil {
		st.Rows += stats.Rows
		st.Bytes += stats.Bytes
	}
	for _, t := range tallies {
		g.add(t.group, t.n)
	}
}

// LogsVersion implements storage.LogVersioner. It is made of the names of the
// parts of the store that overlap the range: a segment never changes, and of
// what is in memory every new batch changes the number of rows.
func (s *Store) LogsVersion(ctx context.Context, tenant string, from, to int64) (storage.Version, error) {
	leave, err := s.enter()
	if err != nil {
		return storage.Version{}, err
	}
	defer leave()
	v := snapshot(s, s.logs, tenant, from, to)
	defer v.release()
	h := xxh3.New()
	var buf []byte
	for _, r := range v.runs {
		buf = binary.LittleEndian.AppendUint64(buf, r.Seq)
		buf = binary.LittleEndian.AppendUint64(buf, uint64(r.Len()))
	}
	buf = binary.LittleEndian.AppendUint64(buf, uint64(len(v.runs)))
	for _, h := range v.handles {
		if h.spoilt.Load() {
			return storage.Version{}, ctx.Err()
		}
		buf = binary.LittleEndian.AppendUint64(buf, h.meta.ID)
	}
	_, _ = h.Write(buf) // never fails
	sum := h.Sum128()
	return storage.Version{sum.Hi, sum.Lo | 1}, ctx.Err()
}
