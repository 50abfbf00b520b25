package compare

import (
	"context"
	"fmt"
	"time"

	"github.com/clewhq/clew/loadtest/proc"
	"github.com/clewhq/clew/loadtest/send"
	"github.com/clewhq/clew/loadtest/workload"
)

// Loaded is what it took a target to take in one signal.
type Loaded struct {
	Target  string      `json:"target"`
	Signal  send.Signal `json:"signal"`
	Records int         `json:"records"`
	// WireBytes are those of the requests, before compression.
	WireBytes int64         `json:"wire_bytes"`
	Took      time.Duration `json:"took_ns"`
	// AtLastReply is the server's CPU time up to the last reply, CPU that up
	// to when it had settled.
	AtLastReply time.Duration `json:"cpu_at_last_reply_ns"`
	CPU         time.Duration `json:"cpu_ns"`
	Settled     time.Duration `json:"settled_after_ns"`
	// PeakMemory is the highest resident memory since this signal began, or
	// since the start where the kernel would not forget.
	PeakMemory int64 `json:"peak_memory_bytes"`
	// Disk is how many bytes the directories grew by; 0 where none is known.
	Disk int64 `json:"disk_bytes,omitempty"`
	// Failed counts records that were not taken; they make the rest void.
	Failed  int `json:"failed,omitempty"`
	Retries int `json:"retries,omitempty"`
}

// CPUPerMillion is the server's CPU time for a million records.
func (l *Loaded) CPUPerMillion() float64 { return perRecord(l.CPU.Seconds()*1e6, l.Records) }

// DiskPerRecord is how many bytes one record takes on disk.
func (l *Loaded) DiskPerRecord() float64 { return perRecord(float64(l.Disk), l.Records) }

func perRecord(x float64, records int) float64 { return x / float64(max(records, 1)) }

// load sends one signal to one target and waits until that has settled.
func (r *run) load(ctx context.Context, t *member, signal send.Signal, w *workload.Workload, truth *workload.Truth) (*Loaded, error) {
	cfg := r.cfg.Send
	cfg.Endpoint, cfg.Signals = t.OTLP, []send.Signal{signal}
	if err := t.process.ForgetPeak(); err != nil {
		r.say("%s: its peak memory counts from its start: %v", t.Name, err)
	}
	before, err := t.measure()
	if err != nil {
		return nil, err
	}
	r.say("%s: sending %s", t.Name, signal)
	sent, err := send.Run(ctx, cfg, w, truth)
	if err != nil {
		return nil, fmt.Errorf("send %s to %s: %w", signal, t.Name, err)
	}
	for _, e := range append(sent.FirstErrors, sent.PartialNotes...) {
		r.say("%s: %s", t.Name, e)
	}
	last, err := t.measure()
	if err != nil {
		return nil, err
	}
	after, settled, err := r.settle(ctx, t)
	if err != nil {
		return nil, err
	}
	return &Loaded{
		Target: t.Name, Signal: signal, Records: sent.Logs + sent.Spans - int(sent.Rejected),
		WireBytes: sent.Bytes, Took: sent.Took, AtLastReply: last.cpu - before.cpu, CPU: after.cpu - before.cpu,
		Settled: settled, PeakMemory: after.peak, Disk: after.disk - before.disk,
		Failed: sent.Failed + int(sent.Rejected), Retries: sent.Retries,
	}, nil
}

// measured is a target at a moment.
type measured struct {
	cpu        time.Duration
	peak, disk int64
}

func (t *member) measure() (m measured, err error) {
	if m.cpu, err = t.process.CPU(); err != nil {
		return m, fmt.Errorf("measure %s: %w", t.Name, err)
	}
	if _, m.peak, err = t.process.Memory(); err != nil {
		return m, fmt.Errorf("measure %s: %w", t.Name, err)
	}
	if m.disk, err = proc.DiskBytes(t.Dirs); err != nil {
		return m, fmt.Errorf("measure %s: %w", t.Name, err)
	}
	return m, nil
}

// idleShare is how much of one CPU a settled store may use.
const idleShare = 0.05

// settle waits until the target does nothing any more: no CPU time to speak
// of, and no more and no fewer bytes on disk.
func (r *run) settle(ctx context.Context, t *member) (measured, time.Duration, error) {
	began := r.now()
	last, err := t.measure()
	if err != nil {
		return last, 0, err
	}
	for {
		at := r.now()
		if err := r.sleep(ctx, r.cfg.Quiet); err != nil {
			return last, 0, fmt.Errorf("wait for %s to settle: %w", t.Name, err)
		}
		m, err := t.measure()
		if err != nil {
			return m, 0, err
		}
		waited := r.now().Sub(began)
		still := m.disk == last.disk && float64(m.cpu-last.cpu) <= idleShare*float64(r.now().Sub(at))
		if still && waited >= r.cfg.SettleMin {
			return m, waited, nil
		}
		if waited >= r.cfg.SettleMax {
			r.say("%s: not settled after %s: going on", t.Name, waited.Round(time.Second))
			return m, waited, nil
		}
		last = m
	}
}
