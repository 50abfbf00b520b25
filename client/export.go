package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"golang.org/x/term"
)

// Trailers and signals of the server's export.
const (
	exportRows     = "Clew-Rows"
	exportWarnings = "Clew-Warnings"
)

// ExportOptions are what Export wants beside the query.
type ExportOptions struct {
	Signal string // logs or traces
	File   string // "-" for standard output
}

// Export writes what a query selects as a Parquet file, whole or not at all.
func (c *Client) Export(ctx context.Context, query string, o ExportOptions, stdout, stderr io.Writer) error {
	if f, ok := stdout.(*os.File); ok && o.File == "-" && term.IsTerminal(int(f.Fd())) {
		return usagef("a Parquet file is nothing for a terminal: --output FILE says where it goes")
	}
	q := url.Values{"signal": {o.Signal}}
	if query != "" {
		q.Set("query", query)
	}
	c.rangeParams(q)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url("/api/v1/export", q), nil)
	if err != nil {
		return usagef("make the request: %v", err)
	}
	req.Header = c.header()
	res, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<16)) // what came of it is shown
		return answerError(res, body)
	}
	n, err := save(o.File, stdout, res.Body)
	if err != nil {
		return failedf("export to %s: %w", o.File, err)
	}
	for _, text := range res.Trailer.Values(exportWarnings) {
		fmt.Fprintf(stderr, "warning: %s\n", text)
	}
	rows, err := strconv.ParseInt(res.Trailer.Get(exportRows), 10, 64)
	switch {
	case err != nil:
		return failedf("the answer of %s says not how many records it has; is it a clew server?", c.base)
	case len(res.Trailer.Values(exportWarnings)) > 0:
		return failedf("the export is not whole: %d records were written", rows)
	case rows == 0:
		return notFoundf("nothing is selected; the file has no rows")
	}
	fmt.Fprintf(stderr, "%d records in %d bytes\n", rows, n)
	return nil
}

// save copies in to a file, which is there only once all of it is.
func save(path string, stdout io.Writer, in io.Reader) (n int64, err error) {
	if path == "-" {
		return io.Copy(stdout, in)
	}
	part := path + ".part"
	f, err := os.Create(part)
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(f, in)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		_ = os.Remove(part) // the first error is what counts
	}
	return n, err
}
