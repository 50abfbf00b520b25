package server

import (
	"context"
	"time"

	"github.com/clewhq/clew/server/config"
	"github.com/clewhq/clew/server/members"
	"github.com/clewhq/clew/storage/elastic"
)

// about is what the other processes are told of this one, now.
func (s *Server) about(url string) members.About {
	out := members.About{Target: s.cfg.Target, URL: url}
	if s.stores.elastic == nil {
		return out
	}
	b := s.stores.elastic.Backlog()
	out.Late = b.Late
	if b.Late && !b.Since.IsZero() {
		out.Since = b.Since.Unix()
	}
	return out
}

// tellBacklog tells the others whether requests wait here that they cannot
// read, until ctx ends.
func (s *Server) tellBacklog(ctx context.Context, last members.About) {
	tick := time.NewTicker(time.Duration(s.cfg.Cluster.ProbeInterval))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := s.about(last.URL)
		if now == last {
			continue
		}
		if err := s.members.Tell(now); err != nil {
			s.log.Warn("the other processes cannot be told what waits here; trying again", "err", err)
			continue
		}
		last = now
	}
}

// missing is what answers of this process say of requests that others have
// acknowledged, nil where it answers nobody or knows of no others. Rulers go by
// what is there: rules would not be evaluated for as long as any collector is
// late.
func (s *Server) missing() func() []string {
	if s.cfg.Cluster.Listen == "" || !s.cfg.Runs(config.TargetQuery) {
		return nil
	}
	return func() []string {
		m := s.seen.Load() // the store is opened before others are looked for
		if m == nil {
			return nil
		}
		out := late(m.List(), m.Name())
		if s.cfg.Storage.Elasticsearch.Acknowledge == elastic.AckWAL { // else who dies holds nothing
			out = append(out, lost(m.Lost())...)
		}
		return out
	}
}

// late names the collectors that have told that they hold what is not in
// Elasticsearch yet. This process waits for its own.
func late(list []members.Member, self string) (out []string) {
	for _, m := range list {
		if !m.Late || m.Name == self {
			continue
		}
		since := "before it was started"
		if m.Since != 0 {
			since = "since " + time.Unix(m.Since, 0).UTC().Format(time.RFC3339)
		}
		out = append(out, "collector "+m.Name+" has acknowledged requests "+since+" that are not in Elasticsearch yet: their records are missing")
	}
	return out
}

// lost names the collectors that died and may hold what they told nobody of.
func lost(list []members.Lost) (out []string) {
	for _, l := range list {
		if l.Has(config.TargetCollector) {
			out = append(out, "collector "+l.Name+" died at "+l.At.UTC().Format(time.RFC3339)+
				": what it had acknowledged last may be missing until it is started again with its data directory")
		}
	}
	return out
}
