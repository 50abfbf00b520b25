package remote_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/clewhq/clew/internal/guard"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/metrics/remote/prometheustest"
)

// TestHeldByHand: while an operator holds the breaker open samples are taken
// and wait, and queries say why they are not answered.
func TestHeldByHand(t *testing.T) {
	p := prometheustest.Start(t)
	c := quick(p.URL, t.TempDir())
	s := open(t, c, nil)
	m := tenantOf(t, s, "anonymous")
	s.Switch().Trip("maintenance")
	now := time.Now().UnixMilli()
	write(t, m, []int64{now}, "n")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := ask(ctx, m, now); err == nil || !strings.Contains(err.Error(), "maintenance") {
		t.Errorf("a query through an open breaker: %v", err)
	}
	if r := s.Remote(); r.Breaker != guard.Open || r.LastError != "maintenance" || r.Pending == 0 {
		t.Errorf("held: %+v", r)
	}
	s.Switch().Reset()
	same(t, "what waited", read(t, m, now-1000, now+1000, named("n")), fmt.Sprintf(`{__name__="n", job="shop"} %d 0`, now))
	if r := s.Remote(); r.Breaker != guard.Closed || r.Pending != 0 {
		t.Errorf("afterwards: %+v", r)
	}
}

// TestReadsAreBounded: queries that hang leave the way of samples free, and the
// next is told to come again.
func TestReadsAreBounded(t *testing.T) {
	arrived, sent, release := make(chan struct{}, 10), make(chan struct{}, 10), make(chan struct{})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/write") {
			sent <- struct{}{}
			return
		}
		arrived <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer front.Close()
	c := quick(front.URL, t.TempDir())
	c.QueryConcurrency, c.QueryWait, c.FreshWait = 2, model.Duration(time.Millisecond), 0
	m := tenantOf(t, open(t, c, nil), "anonymous")
	now := time.Now().UnixMilli()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	for range 2 {
		go func() { ended <- ask(ctx, m, now) }()
	}
	for range 2 {
		<-arrived
	}
	if err := ask(t.Context(), m, now); err == nil || !strings.Contains(err.Error(), "query_concurrency") {
		t.Errorf("a third query: %v", err)
	}
	write(t, m, []int64{now}, "n")
	<-sent // while both hang
	cancel()
	for range 2 {
		if err := <-ended; err == nil {
			t.Error("a query that was given up has an answer")
		}
	}
	go func() { ended <- ask(t.Context(), m, now) }()
	<-arrived // there is room again
	close(release)
	<-ended
}

// ask reads one series and returns what went wrong.
func ask(ctx context.Context, m storage.TenantMetrics, at int64) error {
	q, err := m.Querier(at-1000, at+1000)
	if err != nil {
		return err
	}
	defer q.Close()
	set := q.Select(ctx, false, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", "n"))
	for set.Next() {
		continue
	}
	return set.Err()
}
