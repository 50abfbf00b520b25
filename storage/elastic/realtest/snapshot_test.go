package realtest

import (
	"compress/gzip"
	"flag"
	"io"
	"net/http"
	"os"
	"regexp"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the snapshots in testdata")

var pit = regexp.MustCompile(`"id":"[^"]+"`)

// requestBody is what a request says, without the names of points in time.
func requestBody(r *http.Request) string {
	body, err := r.GetBody()
	if err != nil {
		return err.Error()
	}
	defer func() { _ = body.Close() }()
	var in io.Reader = body
	if r.Header.Get("Content-Encoding") == "gzip" {
		if in, err = gzip.NewReader(body); err != nil {
			return err.Error()
		}
	}
	b, err := io.ReadAll(in)
	if err != nil {
		return err.Error()
	}
	return pit.ReplaceAllString(string(b), `"id":"..."`)
}

func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("the requests are not those of %s; look at the difference, then run with -update:\n%s", path, got)
	}
}
