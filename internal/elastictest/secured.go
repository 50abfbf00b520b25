package elastictest

import (
	"crypto/sha1" // a form in which Elasticsearch reads passwords
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// adminPassword is that of the user elastic, who may do everything.
const adminPassword = "all-is-mine"

// User is somebody whom a secured node knows.
type User struct {
	Name, Password string
	// Cluster are the privileges on the cluster.
	Cluster []string
	// Indices are the privileges on the indices and data streams of Names.
	Indices, Names []string
}

// StartSecured starts a node that asks who calls, for the test, which stops it
// with t.Cleanup.
func StartSecured(t testing.TB, users ...User) *Node {
	t.Helper()
	dir, err := TempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	n, err := newNode(dir)
	if err != nil {
		t.Fatal(err)
	}
	n.secured = true
	if err := os.Mkdir(n.config(), 0o700); err != nil {
		t.Fatal(err)
	}
	n.SetUsers(t, users...)
	t.Cleanup(n.Kill)
	if err := n.Restart(); err != nil {
		t.Fatal(err)
	}
	return n
}

// Admin is the node's URL for who may do everything.
func (n *Node) Admin() string {
	if !n.secured {
		return n.URL
	}
	return strings.Replace(n.URL, "//", "//"+url.UserPassword("elastic", adminPassword).String()+"@", 1)
}

// SetUsers says whom a secured node knows. It notices a little later.
func (n *Node) SetUsers(t testing.TB, users ...User) {
	t.Helper()
	type on struct {
		Names      []string `json:"names"`
		Privileges []string `json:"privileges"`
	}
	type role struct {
		Cluster []string `json:"cluster"`
		Indices []on     `json:"indices"`
	}
	roles := map[string]role{} // each user's own
	var passwords, rolesOf strings.Builder
	for _, u := range users {
		sum := sha1.Sum([]byte(u.Password))
		fmt.Fprintf(&passwords, "%s:{SHA}%s\n", u.Name, base64.StdEncoding.EncodeToString(sum[:]))
		fmt.Fprintf(&rolesOf, "%s:%s\n", u.Name, u.Name)
		roles[u.Name] = role{Cluster: u.Cluster, Indices: []on{{Names: u.Names, Privileges: u.Indices}}}
	}
	yaml, err := json.Marshal(roles) // which is YAML too
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"users": passwords.String(), "users_roles": rolesOf.String(), "roles.yml": string(yaml)} {
		path := filepath.Join(n.config(), name)
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil { // never half a file
			t.Fatal(err)
		}
	}
}

func (n *Node) config() string { return filepath.Join(n.dir, "config") }

// security are the node's settings for it.
func (n *Node) security() []string {
	return []string{
		"config=" + n.config(), "password=" + adminPassword,
		"xpack.security.enabled=true", "xpack.security.http.ssl.enabled=false", "xpack.security.transport.ssl.enabled=false",
		"resource.reload.interval.high=100ms",
	}
}
