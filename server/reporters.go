package server

import (
	"cmp"
	"context"
	"time"

	promapi "github.com/clewhq/clew/query/api/prometheus"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// reporters lists those who sent a tenant logs or spans since a time, named as
// Prometheus names the senders of metrics, and what is missing of the list.
func (s *Server) reporters(ctx context.Context, tenant string, since time.Time) ([]promapi.Reporter, []string, error) {
	var out []promapi.Reporter
	var stats storage.ReadStats
	for signal, name := range map[telemetry.Signal]string{telemetry.Logs: "logs", telemetry.Traces: "traces"} {
		streams, err := s.stores.records.Streams(ctx, tenant, signal, since.UnixNano(), 0, &stats)
		if err != nil {
			return nil, nil, err
		}
		for _, info := range streams {
			attrs := info.Stream.Resource.Attrs
			service := attrs.Text(telemetry.AttrServiceName)
			if service == "" {
				continue // nobody who could be found again
			}
			r := promapi.Reporter{Job: service, LastSeen: time.Unix(0, info.Last), Signals: []string{name}, Attributes: map[string]string{}}
			if ns := attrs.Text(telemetry.AttrServiceNamespace); ns != "" {
				r.Job = ns + "/" + service
			}
			r.Instance = cmp.Or(attrs.Text(telemetry.AttrServiceInstance), attrs.Text("k8s.pod.name"), attrs.Text("host.name"))
			for _, a := range attrs {
				r.Attributes[a.Key] = a.Value.Text()
			}
			out = append(out, r)
		}
	}
	return out, stats.Warnings, nil
}
