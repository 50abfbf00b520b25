package server

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"sync"

	v1 "github.com/prometheus/prometheus/web/api/v1"

	"github.com/clewhq/clew/server/config"
	"github.com/clewhq/clew/server/members"
)

// joinCluster finds the processes that work is shared with. It comes before
// alerting starts: a ruler that knows of no other has all rules for its own.
func (s *Server) joinCluster(context.Context) error {
	if s.cfg.Cluster.Listen == "" {
		return nil
	}
	address := s.cfg.Cluster.URL
	if address == "" {
		address = "http://" + s.cfg.Server.HTTPListen
	}
	var err error
	about := s.about(address)
	s.members, err = members.Join(s.cfg.Cluster, about, s.log, func() {
		if m := s.alerts.Load(); m != nil {
			m.Share()
		}
	})
	if err != nil {
		return err
	}
	s.seen.Store(s.members)
	s.rulers = newRulers(s.cfg, s.log, s.reg)
	ctx, cancel := context.WithCancel(context.Background())
	var telling sync.WaitGroup
	telling.Go(func() { s.tellBacklog(ctx, about) })
	s.onStop("sharing work", func(context.Context) error {
		cancel()
		telling.Wait()
		s.rulers.close()
		return s.members.Leave()
	})
	return nil
}

// owns reports whether this process evaluates a group of rules, nil where it
// shares them with nobody.
func (s *Server) owns() func(string) bool {
	if s.members == nil {
		return nil
	}
	return func(group string) bool { return s.members.Owns(config.TargetRuler, group) }
}

// noAlertmanagers is what a process knows that evaluates no rules.
type noAlertmanagers struct{}

// Alertmanagers implements the AlertmanagerRetriever of Prometheus's API.
func (noAlertmanagers) Alertmanagers() []*url.URL { return nil }

// DroppedAlertmanagers implements the AlertmanagerRetriever of Prometheus's API.
func (noAlertmanagers) DroppedAlertmanagers() []*url.URL { return nil }

func (s *Server) alertmanagers() v1.AlertmanagerRetriever {
	if m := s.alerts.Load(); m != nil {
		return m
	}
	return noAlertmanagers{}
}

// elsewhere answers what other roles do.
func (s *Server) elsewhere(w http.ResponseWriter, r *http.Request) {
	host, port, err := net.SplitHostPort(s.cfg.Server.HTTPListen)
	if err != nil {
		host, port = s.cfg.Server.HTTPListen, ""
	}
	writeError(w, http.StatusNotFound, "no such path here: "+r.URL.Path+"; the process at "+net.JoinHostPort(host, port)+
		" runs with --target="+s.cfg.Target+": data go to --target=collector, questions to --target=query, rules are at --target=ruler")
}
