package realtest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/internal/elastictest"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic"
	"github.com/clewhq/clew/storage/elastic/cluster"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

const (
	whoCalls   = "set storage.elasticsearch.username and password, or api_key"
	moreRights = "the user needs the cluster privileges monitor, manage_index_templates and manage_ilm, and the index privileges all on clew's data streams"
)

// secured is a node that asks who calls, and one store's user of it.
type secured struct {
	t    *testing.T
	node *elastictest.Node
	user elastictest.User // as the documentation wants it
	cfg  elastic.Config
	gen  *storagetest.Gen
	logs []telemetry.Log // acknowledged
}

// know has the node know the user with other rights or another password.
func (r *secured) know(change func(*elastictest.User)) {
	r.t.Helper()
	u := r.user
	if change != nil {
		change(&u)
	}
	r.node.SetUsers(r.t, u)
	asked, err := json.Marshal(map[string]any{
		"cluster": r.user.Cluster,
		"index":   []map[string]any{{"names": r.user.Names, "privileges": r.user.Indices}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	as := strings.Replace(r.node.URL, "//", "//"+u.Name+":"+u.Password+"@", 1)
	want := fmt.Sprintf(`"has_all_requested":%t`, reflect.DeepEqual(u.Cluster, r.user.Cluster) && reflect.DeepEqual(u.Indices, r.user.Indices))
	until(r.t, "the node to know the user", func() bool {
		return strings.Contains(callURL(r.t, as, "POST", "/_security/user/_has_privileges", string(asked)), want)
	})
}

// write has one more request acknowledged.
func (r *secured) write(s *elastic.Store) {
	r.t.Helper()
	b := r.gen.Logs(20)
	storagetest.WriteLogs(r.t, s, "me", b)
	r.logs = append(r.logs, b.Logs...)
}

// refused writes until the store says why nothing goes on, and some more.
func (r *secured) refused(s *elastic.Store, remedy string) {
	r.t.Helper()
	until(r.t, "a refusal that says "+remedy, func() bool {
		r.write(s)
		return strings.Contains(s.Remote().LastError, remedy)
	})
	for range 5 {
		r.write(s)
	}
	if h := s.Health(); !h.Writable {
		r.t.Errorf("health %+v", h)
	}
	if rem := s.Remote(); rem.PendingBytes == 0 || rem.Breaker != "closed" {
		r.t.Errorf("remote %+v", rem)
	}
}

// whole waits until all that was acknowledged is there, once each.
func (r *secured) whole(s *elastic.Store) {
	r.t.Helper()
	if d := storagetest.DiffLogs(eventually(r.t, s, len(r.logs)), r.logs); d != "" {
		r.t.Error(d)
	}
	if got := countAt(r.t, r.node, "logs-"+r.cfg.Dataset+"-me"); got != len(r.logs) {
		r.t.Errorf("%d documents, want %d", got, len(r.logs))
	}
	until(r.t, "the last error to be gone", func() bool {
		eventually(r.t, s, len(r.logs))
		return s.Remote().LastError == ""
	})
}

// TestRights takes from clew's user what it needs in Elasticsearch, one thing
// after another: clew says what is missing, goes on taking requests, and brings
// each record in once as soon as it may.
func TestRights(t *testing.T) {
	t.Parallel()
	n := elastictest.StartSecured(t)
	for i, c := range []struct {
		name string
		run  func(*secured)
	}{
		{"a wrong password at the start", wrongPassword},
		{"no right to make templates", noTemplates},
		{"no right to write", noWrites},
		{"rights taken away", rightsTaken},
		{"a password changed", passwordChanged},
		{"a password changed, and clew told", passwordRenewed},
		{"a password changed, and its file", passwordFile},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config()
			quick(&cfg)
			cfg.Addresses, cfg.Username, cfg.Password = []string{n.URL}, "clew", fmt.Sprintf("secret-%d", i)
			cfg.ReadWait = model.Duration(200 * time.Millisecond)
			r := &secured{t: t, node: n, cfg: cfg, gen: storagetest.NewGen(uint64(70 + i)), user: elastictest.User{
				Name: cfg.Username, Password: cfg.Password,
				Cluster: []string{"monitor", "manage_index_templates", "manage_ilm"},
				Names:   []string{"logs-" + cfg.Dataset + "-*", "traces-" + cfg.Dataset + "-*", "clew-*"},
				Indices: []string{"all"},
			}}
			r.know(nil)
			c.run(r)
		})
	}
}

// fails opens a store that needs Elasticsearch at once.
func (r *secured) fails(cfg elastic.Config, remedy string) {
	r.t.Helper()
	cfg.Startup = elastic.StartupFail
	s, err := elastic.Open(context.Background(), cfg, deps())
	if err == nil {
		_ = s.Close()
		r.t.Fatalf("the store is open, want an error that says %s", remedy)
	}
	if !strings.Contains(err.Error(), remedy) {
		r.t.Errorf("%v: want it to say %s", err, remedy)
	}
}

func wrongPassword(r *secured) {
	wrong := r.cfg
	wrong.Password = "a guess"
	r.fails(wrong, whoCalls)
	// What was taken with the wrong password stays, and goes in with the right one.
	d := deps()
	wrong.Startup = elastic.StartupWait
	s := open(r.t, wrong, d)
	r.refused(s, whoCalls)
	if err := s.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.whole(opened(r.t, r.cfg, d))
}

func noTemplates(r *secured) {
	r.know(func(u *elastictest.User) { u.Cluster = []string{"monitor"} })
	r.fails(r.cfg, moreRights)
	r.cfg.Startup = elastic.StartupWait
	s := opened(r.t, r.cfg, deps())
	r.refused(s, moreRights)
	r.know(nil)
	r.whole(s)
}

func noWrites(r *secured) {
	r.know(func(u *elastictest.User) { u.Indices = []string{"read", "view_index_metadata"} })
	s := opened(r.t, r.cfg, deps())
	r.refused(s, moreRights)
	direct := r.cfg
	direct.Acknowledge = elastic.AckElasticsearch
	at := opened(r.t, direct, deps())
	if _, err := at.WriteLogs(context.Background(), "me", r.gen.Logs(5)); err == nil || !strings.Contains(err.Error(), moreRights) {
		r.t.Errorf("without a log of its own the store says %v", err)
	}
	r.know(nil)
	r.whole(s)
}

func rightsTaken(r *secured) {
	s := opened(r.t, r.cfg, deps())
	r.write(s)
	r.whole(s)
	r.know(func(u *elastictest.User) { u.Cluster, u.Indices = nil, nil })
	r.refused(s, moreRights)
	for _, err := range s.Logs(context.Background(), storage.LogQuery{Tenant: "me"}) {
		if err == nil {
			r.t.Error("a query was answered without the right to read")
		}
		break
	}
	r.know(nil)
	r.whole(s)
}

func passwordChanged(r *secured) {
	s := opened(r.t, r.cfg, deps())
	r.write(s)
	r.whole(s)
	r.know(func(u *elastictest.User) { u.Password = "another" })
	r.refused(s, whoCalls)
	r.know(nil)
	r.whole(s)
}

// renew has the store use other credentials from now on.
func (r *secured) renew(s *elastic.Store, to cluster.Credentials) {
	r.t.Helper()
	use, err := s.Renew(to)
	if err != nil {
		r.t.Fatal(err)
	}
	use()
}

func passwordRenewed(r *secured) {
	s := opened(r.t, r.cfg, deps())
	r.write(s)
	r.whole(s)
	r.user.Password = "another"
	r.know(nil)
	r.refused(s, whoCalls)
	if _, err := s.Renew(cluster.Credentials{Username: "clew", PasswordFile: "/not/there"}); err == nil || !strings.Contains(err.Error(), "/not/there") {
		r.t.Errorf("a file that is not there: %v", err)
	}
	r.refused(s, whoCalls)
	r.renew(s, cluster.Credentials{Username: "clew", Password: "another"})
	r.whole(s)
}

func passwordFile(r *secured) {
	r.cfg.PasswordFile = filepath.Join(r.t.TempDir(), "password")
	put := func() {
		if err := os.WriteFile(r.cfg.PasswordFile, []byte(r.user.Password+"\n"), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	put()
	r.cfg.Password = ""
	s := opened(r.t, r.cfg, deps())
	r.write(s)
	r.whole(s)
	r.user.Password = "another"
	r.know(nil)
	r.refused(s, whoCalls)
	put()
	r.whole(s)
}
