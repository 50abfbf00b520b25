package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/clewhq/clew/internal/tenant"
)

// maxErrorText is how much of an answer that is no JSON is shown.
const maxErrorText = 500

// get asks for a path and returns the body of a good answer.
func (c *Client) get(ctx context.Context, path string, q url.Values) ([]byte, error) {
	return c.do(ctx, http.MethodGet, path, q)
}

func (c *Client) do(ctx context.Context, method, path string, q url.Values) ([]byte, error) {
	if c.opts.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.opts.Timeout)
		defer cancel()
	}
	u := c.url(path, q)
	req, err := http.NewRequestWithContext(ctx, method, u, nil)
	if err != nil {
		return nil, usagef("make the request: %v", err)
	}
	req.Header = c.header()
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, failedf("read the answer of %s: %v", c.base, err)
	}
	if res.StatusCode/100 != 2 {
		return nil, answerError(res, body)
	}
	return body, nil
}

// url returns the address of an escaped path.
func (c *Client) url(path string, q url.Values) string {
	u := c.base.String() + path
	if len(q) > 0 {
		u += "?" + q.Encode()
	}
	return u
}

func (c *Client) header() http.Header {
	h := http.Header{"Accept": {"application/json"}}
	if c.opts.Tenant != "" {
		h.Set(tenant.Header, c.opts.Tenant)
	}
	if c.opts.Token != "" {
		h.Set("Authorization", "Bearer "+c.opts.Token)
	}
	return h
}

func (c *Client) unreachable(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if errors.Is(err, context.Canceled) {
		return &Error{ExitFailed, errors.New("interrupted")}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return failedf("%s did not answer within %s (--timeout)", c.base, c.opts.Timeout)
	}
	return failedf("cannot reach %s: %w; is `clew serve` running? --server or CLEW_SERVER says where", c.base, err)
}

// answerError makes an error of an answer that is not good. All the protocols
// put their sentence in one of a few places.
func answerError(res *http.Response, body []byte) error {
	text := strings.TrimSpace(string(body))
	var shapes struct {
		Error   any    `json:"error"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &shapes) == nil {
		if s, ok := shapes.Error.(string); ok && s != "" {
			text = s
		} else if shapes.Message != "" {
			text = shapes.Message
		}
	}
	if len(text) > maxErrorText {
		text = text[:maxErrorText] + "…"
	}
	text = clean(text)
	switch {
	case res.StatusCode == http.StatusNotFound:
		return notFoundf("%s", orElse(text, "nothing found"))
	case res.StatusCode == http.StatusBadRequest || res.StatusCode == http.StatusUnprocessableEntity:
		return usagef("%s", orElse(text, res.Status))
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return failedf("%s: %s; --token or CLEW_TOKEN gives a token", res.Status, text)
	}
	return failedf("%s: %s", res.Status, orElse(text, "no more is said"))
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// getJSON asks for a path and decodes the answer. Where the output is JSON it
// prints the answer as it came, indented, and reports true.
func (c *Client) getJSON(ctx context.Context, path string, q url.Values, into any) (printed bool, err error) {
	body, err := c.get(ctx, path, q)
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return false, failedf("the answer of %s is not what this command understands: %w; is it a clew server?", c.base, err)
	}
	if !c.json() {
		return false, nil
	}
	return true, c.printJSON(body)
}

func (c *Client) printJSON(body []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(body), "", "  "); err != nil {
		return failedf("indent the answer: %w", err)
	}
	b.WriteByte('\n')
	if _, err := b.WriteTo(c.out); err != nil {
		return failedf("write the answer: %w", err)
	}
	return nil
}

// escaped returns one segment of a path.
func escaped(segment string) string {
	return strings.ReplaceAll(url.PathEscape(segment), "+", "%2B")
}
