package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// errNotFound is an answer of 404.
var errNotFound = errors.New("not found")

// api asks the server.
type api struct {
	base    string
	http    *http.Client
	headers map[string]string
}

// get asks for a path and returns the answer's bytes.
func (a *api) get(ctx context.Context, path string, params url.Values, accept string) ([]byte, error) {
	u := strings.TrimSuffix(a.base, "/") + path
	if len(params) > 0 {
		u += "?" + params.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, fmt.Errorf("make request to %s: %w", path, err)
	}
	req.Header.Set("Accept", accept)
	for k, v := range a.headers {
		req.Header.Set(k, v)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read answer of %s: %w", path, err)
	}
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("%w: %s: %.200q", errNotFound, path, body)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("ask %s: %s: %.300q", u, resp.Status, body)
	}
	return body, nil
}

// getJSON asks for a path and decodes the answer into out.
func (a *api) getJSON(ctx context.Context, path string, params url.Values, out any) error {
	body, err := a.get(ctx, path, params, "application/json")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("decode answer of %s: %w: %.200q", path, err, body)
	}
	return nil
}
