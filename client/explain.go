package client

import (
	"context"
	"net/url"
	"strconv"
	"time"
)

// explained is an answer of Loki's API to a query with explain=1.
type explained struct {
	Explain struct {
		Plan []string `json:"plan"`
		Read struct {
			Segments        int64 `json:"segments"`
			SegmentsSkipped int64 `json:"segments_skipped"`
			Blocks          int64 `json:"blocks"`
			BlocksSkipped   int64 `json:"blocks_skipped"`
			Rows            int64 `json:"rows"`
			Bytes           int64 `json:"bytes"`
			Slices          int   `json:"cache_slices"`
			CachedSlices    int   `json:"cache_hits"`
		} `json:"read"`
		Stages []struct {
			Name    string  `json:"stage"`
			Seconds float64 `json:"seconds"`
		} `json:"stages"`
		Seconds float64 `json:"seconds"`
		Whole   bool    `json:"whole"`
	} `json:"explain"`
	Warnings []string `json:"warnings"`
}

// explainLogs runs a LogQL query and shows its plan, what was read for it and
// how long each stage took.
func (c *Client) explainLogs(ctx context.Context, q url.Values) error {
	q.Set("explain", "1")
	var a explained
	if printed, err := c.getJSON(ctx, "/loki/api/v1/query_range", q, &a); err != nil || printed {
		return err
	}
	e := a.Explain
	for _, line := range e.Plan {
		c.printf("%s\n", clean(line))
	}
	r := e.Read
	rows := [][]string{
		{"READ", "", "SKIPPED"},
		{"segments", whole(r.Segments), whole(r.SegmentsSkipped)},
		{"blocks", whole(r.Blocks), whole(r.BlocksSkipped)},
		{"rows", whole(r.Rows), ""},
		{"bytes", whole(r.Bytes), ""},
	}
	if r.Slices > 0 {
		rows = append(rows, []string{"slices", strconv.Itoa(r.Slices - r.CachedSlices), strconv.Itoa(r.CachedSlices) + " known"})
	}
	c.table(rows, 1, 2)
	rows = [][]string{{"STAGE", "TIME"}}
	for _, s := range e.Stages {
		rows = append(rows, []string{s.Name, took(s.Seconds)})
	}
	c.table(append(rows, []string{"all", took(e.Seconds)}), 1)
	c.warnings(a.Warnings)
	if e.Whole {
		c.printf("the answer is whole\n")
	}
	return nil
}

func whole(n int64) string { return strconv.FormatInt(n, 10) }

func took(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Microsecond).String()
}
