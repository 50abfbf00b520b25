package compare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// Asked is how a target did at one kind of question.
type Asked struct {
	Target string `json:"target"`
	Kind   Kind   `json:"kind"`
	N      int    `json:"n"`
	// Median and Slowest are of the whole answers, as a client sees them.
	Median  time.Duration `json:"median_ns"`
	Slowest time.Duration `json:"slowest_ns"`
	// CPU is the server's, for one question.
	CPU time.Duration `json:"cpu_ns"`
	// Things counts what the answers held; Want is what they should hold,
	// where that is known.
	Things int    `json:"things"`
	Want   int    `json:"want"`
	Failed int    `json:"failed,omitempty"`
	Error  string `json:"error,omitempty"`

	took []time.Duration
}

// able returns who can answer a kind of question, and where the answers are
// noted.
func (r *run) able(kind Kind) (able []*member, out []*Asked) {
	for _, t := range r.members {
		if _, ok := kinds[t.Name].ask[kind]; ok {
			able = append(able, t)
			out = append(out, &Asked{Target: t.Name, Kind: kind})
		}
	}
	return able, out
}

// ask asks one kind of question of everybody who can answer it, in turns.
func (r *run) ask(ctx context.Context, kind Kind, qs []question) ([]*Asked, error) {
	able, out := r.able(kind)
	warmUp := min(r.cfg.WarmUp, len(qs))
	for i, t := range able {
		for _, q := range qs[:warmUp] {
			if _, err := r.put(ctx, t, q); err != nil && ctx.Err() == nil {
				r.say("%s: %s: %v", t.Name, kind, err)
			}
		}
		out[i].took = make([]time.Duration, 0, len(qs))
	}
	for round := range r.cfg.Rounds {
		turn := qs[round*len(qs)/r.cfg.Rounds : (round+1)*len(qs)/r.cfg.Rounds]
		for i, t := range able {
			if err := r.askTurn(ctx, t, turn, out[i]); err != nil {
				return nil, err
			}
		}
	}
	for _, a := range out {
		a.finish()
	}
	return out, nil
}

// askTurn asks some questions in a row, and adds what they took to a.
func (r *run) askTurn(ctx context.Context, t *member, turn []question, a *Asked) error {
	before, err := t.process.CPU()
	if err != nil {
		return fmt.Errorf("measure %s: %w", t.Name, err)
	}
	for _, q := range turn {
		began := r.now()
		n, err := r.put(ctx, t, q)
		took := r.now().Sub(began)
		if ctx.Err() != nil {
			return fmt.Errorf("ask %s: %w", t.Name, ctx.Err())
		}
		a.N++
		a.took = append(a.took, took)
		a.Things += n
		if a.Want >= 0 && q.want >= 0 {
			a.Want += q.want
		} else {
			a.Want = -1
		}
		if err != nil {
			a.Failed++
			a.Error = err.Error()
		}
	}
	after, err := t.process.CPU()
	if err != nil {
		return fmt.Errorf("measure %s: %w", t.Name, err)
	}
	a.CPU += after - before
	return nil
}

func (a *Asked) finish() {
	if a.N == 0 {
		return
	}
	slices.Sort(a.took)
	a.Median, a.Slowest = a.took[len(a.took)/2], a.took[len(a.took)-1]
	a.CPU /= time.Duration(a.N)
}

// maxAnswerBytes bounds what is read of an answer.
const maxAnswerBytes = 256 << 20

// put puts one question to a target and counts what the answer holds.
func (r *run) put(ctx context.Context, t *member, q question) (int, error) {
	asker := kinds[t.Name].ask[q.kind]
	path, params := asker.request(q)
	u := t.URL + path
	if len(params) > 0 {
		u += "?" + params.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "identity")
	for k, v := range r.cfg.Send.Headers {
		req.Header.Set(k, v)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if err != nil {
		return 0, fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		const most = 200
		return 0, fmt.Errorf("ask %s: %s: %q", path, resp.Status, body[:min(len(body), most)])
	}
	n, err := asker.count(body)
	if err != nil {
		return 0, fmt.Errorf("read answer of %s: %w", path, err)
	}
	if n == 0 && q.want > 0 {
		return 0, errors.New("an empty answer to a question that has one")
	}
	return n, nil
}
