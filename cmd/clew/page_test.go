package main

import (
	"context"
	"os/exec"
	"testing"
	"time"
)

// The page is looked at with a real browser, which Debian's package chromium
// brings; scripts/test.sh installs it.
func TestThePageInABrowser(t *testing.T) {
	i := newInstance(t)
	i.start()
	s := newShop()
	s.send(i)
	for _, c := range []struct {
		name, path string
		want       []string
	}{
		{"home", "/", []string{"Pull one ID", "logs per second", "local store"}},
		{"a story", "/#/id/" + orderID, []string{"POST /orders", "charge failed: card declined", "INSERT orders", "no mail for", "<rect", "Waited for", "class=\"waited\""}},
		{"nothing", "/#/id/ffffffffffffffffffffffffffff0001", []string{"Nothing found"}},
		{"the map", "/#/map", []string{"postgresql:db-1/shop", "gateway", "class=\"edge"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			contains(t, c.path, browse(t, i.url(c.path)), c.want...)
		})
	}
}

// browse returns the page's DOM after its scripts have run.
func browse(t *testing.T, url string) string {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("this test looks at the page with a real browser: install the package chromium")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir="+t.TempDir(),
		"--virtual-time-budget=4000", "--dump-dom", url).Output()
	if err != nil {
		t.Fatalf("browse %s: %v", url, err)
	}
	return string(out)
}
