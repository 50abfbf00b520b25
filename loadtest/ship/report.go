package ship

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/clewhq/clew/loadtest/send"
)

// Turn is what it took one side to bring one signal into Elasticsearch.
type Turn struct {
	Side   string      `json:"side"`
	Signal send.Signal `json:"signal"`
	// Records are what was sent, Docs what is in Elasticsearch: some write an
	// event of a span as a document.
	Records int `json:"records"`
	Docs    int `json:"docs"`
	// Program and Elasticsearch are CPU times until all was there, Merge that
	// of Elasticsearch for making one segment of it.
	Program       time.Duration `json:"program_cpu_ns"`
	Elasticsearch time.Duration `json:"elasticsearch_cpu_ns"`
	Merge         time.Duration `json:"merge_cpu_ns"`
	// Bytes is what all of it takes in Elasticsearch then.
	Bytes      int64 `json:"bytes"`
	PeakMemory int64 `json:"peak_memory_bytes"`
}

// String is the turn in one line.
func (t *Turn) String() string {
	return fmt.Sprintf("%s of %s: %d records, %d documents, CPU s: program %.2f, Elasticsearch %.2f and %.2f for merging, %.1f bytes a record",
		t.Signal, t.Side, t.Records, t.Docs, t.Program.Seconds(), t.Elasticsearch.Seconds(), t.Merge.Seconds(), t.bytes())
}

func (t *Turn) perMillion(d time.Duration) float64 {
	return d.Seconds() * 1e6 / float64(max(t.Records, 1))
}

func (t *Turn) bytes() float64 { return float64(t.Bytes) / float64(max(t.Records, 1)) }

// Report is the outcome of a comparison.
type Report struct {
	Turns []*Turn `json:"turns"`
}

// figure is a column of the report.
type figure struct {
	name string
	of   func(*Turn) float64
}

// figures are what clew is compared with the others by.
var figures = []figure{
	{"program", func(t *Turn) float64 { return t.perMillion(t.Program) }},
	{"Elasticsearch", func(t *Turn) float64 { return t.perMillion(t.Elasticsearch) }},
	{"both", func(t *Turn) float64 { return t.perMillion(t.Program + t.Elasticsearch) }},
	{"merging", func(t *Turn) float64 { return t.perMillion(t.Merge) }},
	{"bytes/record", (*Turn).bytes},
	{"peak MiB", func(t *Turn) float64 { return float64(t.PeakMemory) / (1 << 20) }},
}

// Write prints medians, CPU seconds for a million records, and behind each of
// the others' figures what clew's is of it.
func (r *Report) Write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprint(t, "CPU s per million\tside\trounds\trecords\tdocuments")
	for _, f := range figures {
		_, _ = fmt.Fprintf(t, "\t%s", f.name)
	}
	_, _ = fmt.Fprintln(t)
	for _, signal := range []send.Signal{send.Logs, send.Traces} {
		for _, s := range sides {
			turns := r.of(s.name, signal)
			if len(turns) == 0 {
				continue
			}
			_, _ = fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d", signal, s.name, len(turns), turns[0].Records, turns[0].Docs)
			for _, f := range figures {
				_, _ = fmt.Fprintf(t, "\t%s", r.cell(f, s, signal))
			}
			_, _ = fmt.Fprintln(t)
		}
	}
	return t.Flush()
}

// cell is a side's figure and clew's ratio to it.
func (r *Report) cell(f figure, s side, signal send.Signal) string {
	x := median(r.of(s.name, signal), f.of)
	if clew := r.of(Clew, signal); s.name != Clew && len(clew) > 0 && x > 0 {
		return fmt.Sprintf("%.1f (%.2f x)", x, median(clew, f.of)/x)
	}
	return fmt.Sprintf("%.1f", x)
}

func (r *Report) of(name string, signal send.Signal) []*Turn {
	var out []*Turn
	for _, t := range r.Turns {
		if t.Side == name && t.Signal == signal {
			out = append(out, t)
		}
	}
	return out
}

func median(turns []*Turn, of func(*Turn) float64) float64 {
	var all []float64
	for _, t := range turns {
		all = append(all, of(t))
	}
	slices.Sort(all)
	if n := len(all); n%2 == 0 && n > 0 {
		return (all[n/2-1] + all[n/2]) / 2
	}
	return all[len(all)/2]
}
