package jaeger

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/status"
)

type (
	// traceSummary is what a list of traces shows of one. Numbers of 64 bits
	// are strings in protobuf's JSON.
	traceSummary struct {
		TraceID       string           `json:"traceId"`
		RootService   string           `json:"rootServiceName,omitempty"`
		RootOperation string           `json:"rootOperationName,omitempty"`
		Start         string           `json:"minStartTimeUnixNano"`
		End           string           `json:"maxEndTimeUnixNano"`
		Spans         int              `json:"spanCount,omitempty"`
		Errors        int              `json:"errorSpanCount,omitempty"`
		Orphans       int              `json:"orphanSpanCount,omitempty"`
		Services      []serviceSummary `json:"services"`
	}
	serviceSummary struct {
		Name   string `json:"name"`
		Spans  int    `json:"spanCount,omitempty"`
		Errors int    `json:"errorSpanCount,omitempty"`
	}
)

// summariesPerMessage keeps messages well below the 4 MiB that clients take.
const summariesPerMessage = 500

// findSummaries searches without reading more of a trace than its summary says.
func (a *API) findSummaries(ctx context.Context, q url.Values) (*traceql.SearchResult, error) {
	req, err := a.searchRequest(q)
	if err != nil {
		return nil, err
	}
	req.Tenant, req.Whole = tenant.From(ctx), false
	return a.Engine.Search(ctx, *req)
}

func (a *API) summariesV3(r *http.Request) (any, []string, error) {
	q, err := v1Parameters(r.URL.Query())
	if err != nil {
		return nil, nil, err
	}
	res, err := a.findSummaries(r.Context(), q)
	if err != nil {
		return nil, nil, err
	}
	out := make([]traceSummary, 0, len(res.Traces))
	for i := range res.Traces {
		out = append(out, newSummary(&res.Traces[i]))
	}
	return map[string]any{"summaries": out}, res.Warnings, nil
}

func newSummary(t *traceql.TraceResult) traceSummary {
	out := traceSummary{
		TraceID: t.TraceID.String(), RootService: t.RootService, RootOperation: t.RootName,
		Start: strconv.FormatInt(t.Start, 10), End: strconv.FormatInt(t.Start+int64(t.Duration), 10),
		Orphans: t.Orphans, Services: []serviceSummary{},
	}
	for _, s := range t.Services {
		out.Spans += s.Spans
		out.Errors += s.Errors
		out.Services = append(out.Services, serviceSummary{s.Service, s.Spans, s.Errors})
	}
	slices.SortFunc(out.Services, func(a, b serviceSummary) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (a *API) callSummaries(ctx context.Context, req []byte, send func([]byte) error) error {
	q, err := findParameters(req)
	if err != nil {
		return err
	}
	res, err := a.findSummaries(ctx, q)
	if err != nil {
		return err
	}
	status.Warn(ctx, res.Warnings)
	for part := range slices.Chunk(res.Traces, summariesPerMessage) {
		var msg []byte
		for i := range part {
			msg = protowire.AppendBytes(protowire.AppendTag(msg, 1, protowire.BytesType), appendSummary(nil, &part[i]))
		}
		if err := send(msg); err != nil {
			return err
		}
	}
	return nil
}

func appendSummary(b []byte, t *traceql.TraceResult) []byte {
	text := func(num protowire.Number, s string) {
		if s != "" {
			b = protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
		}
	}
	fixed := func(num protowire.Number, n int64) {
		b = protowire.AppendFixed64(protowire.AppendTag(b, num, protowire.Fixed64Type), uint64(n))
	}
	s := newSummary(t)
	text(1, s.TraceID)
	text(2, s.RootService)
	text(3, s.RootOperation)
	fixed(4, t.Start)
	fixed(5, t.Start+int64(t.Duration))
	b = appendCount(b, 6, s.Spans)
	b = appendCount(b, 7, s.Errors)
	b = appendCount(b, 8, s.Orphans)
	for _, svc := range s.Services {
		m := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), svc.Name)
		m = appendCount(appendCount(m, 2, svc.Spans), 3, svc.Errors)
		b = protowire.AppendBytes(protowire.AppendTag(b, 9, protowire.BytesType), m)
	}
	return b
}

func appendCount(b []byte, num protowire.Number, n int) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), uint64(n))
}
