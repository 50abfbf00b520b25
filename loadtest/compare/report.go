package compare

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/clewhq/clew/loadtest/send"
)

// OK reports whether everything was taken and every question answered.
func (r *Report) OK() bool {
	for _, l := range r.Loads {
		if l.Failed > 0 {
			return false
		}
	}
	for _, a := range r.Asked {
		if a.Failed > 0 {
			return false
		}
	}
	return true
}

// Write prints the report: a table of what the load took and one of the
// questions, each with clew's ratio to the row's target.
func (r *Report) Write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(r.Loads) > 0 {
		r.writeLoads(t)
		if err := t.Flush(); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
		_, _ = fmt.Fprintln(w)
	}
	r.writeAsked(t)
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	for _, a := range r.Asked {
		if a.Failed > 0 {
			_, _ = fmt.Fprintf(w, "%s: %s: %d of %d failed: %s\n", a.Target, a.Kind, a.Failed, a.N, a.Error)
		}
	}
	return nil
}

func (r *Report) writeLoads(t io.Writer) {
	_, _ = fmt.Fprintln(t, "load\ttarget\trecords\tB/record on the wire\trecords/s\trecords per CPU s\tCPU s per million (at the last reply)\tpeak MiB\tB/record on disk\tclew is\tCPU\tmemory\tdisk")
	for _, l := range r.Loads {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%d\t%.0f\t%.0f\t%.0f\t%.2f (%.2f)\t%.0f\t%s", l.Signal, l.Target, l.Records,
			perRecord(float64(l.WireBytes), l.Records), float64(l.Records)/max(l.Took.Seconds(), 1e-9),
			float64(l.Records)/max(l.CPU.Seconds(), 1e-9), l.CPUPerMillion(), perRecord(l.AtLastReply.Seconds()*1e6, l.Records),
			float64(l.PeakMemory)/(1<<20), number(l.DiskPerRecord()))
		if clew := r.clewLoad(l.Signal); clew != nil && clew != l {
			_, _ = fmt.Fprintf(t, "\t\t%s\t%s\t%s", ratio(clew.CPUPerMillion(), l.CPUPerMillion()),
				ratio(float64(clew.PeakMemory), float64(l.PeakMemory)), ratio(clew.DiskPerRecord(), l.DiskPerRecord()))
		}
		_, _ = fmt.Fprintln(t)
		if l.Failed > 0 {
			_, _ = fmt.Fprintf(t, "\t%d records were not taken\n", l.Failed)
		}
	}
}

func (r *Report) writeAsked(t io.Writer) {
	_, _ = fmt.Fprintln(t, "question\ttarget\tmedian ms\tslowest ms\tCPU ms\tin the answers\tclew is\tlatency\tCPU")
	for _, a := range r.Asked {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s", a.Kind, a.Target, millis(a.Median), millis(a.Slowest), millis(a.CPU), a.things())
		if clew := r.clewAsked(a.Kind); clew != nil && clew != a {
			_, _ = fmt.Fprintf(t, "\t\t%s\t%s", ratio(float64(clew.Median), float64(a.Median)), ratio(float64(clew.CPU), float64(a.CPU)))
		}
		_, _ = fmt.Fprintln(t)
	}
}

func (a *Asked) things() string {
	if a.Want < 0 || a.Want == a.Things {
		return fmt.Sprint(a.Things)
	}
	return fmt.Sprintf("%d of %d", a.Things, a.Want)
}

func (r *Report) clewLoad(s send.Signal) *Loaded {
	for _, l := range r.Loads {
		if l.Target == Clew && l.Signal == s {
			return l
		}
	}
	return nil
}

func (r *Report) clewAsked(k Kind) *Asked {
	for _, a := range r.Asked {
		if a.Target == Clew && a.Kind == k {
			return a
		}
	}
	return nil
}

// ratio is clew's figure to another's; "-" where there is none.
func ratio(clew, other float64) string {
	if clew <= 0 || other <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f x", clew/other)
}

func number(x float64) string {
	if x <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", x)
}

func millis(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/1e6) }
