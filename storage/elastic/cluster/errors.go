package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/failsafe-go/failsafe-go/timeout"

	"github.com/clewhq/clew/internal/guard"
)

// Error is an answer of Elasticsearch that is not a success.
type Error struct {
	Method, Path string
	Status       int
	Type, Reason string
}

// Error implements error, and names the remedy where there is a usual one.
func (e *Error) Error() string {
	s := fmt.Sprintf("elasticsearch: %s %s: status %d", e.Method, e.Path, e.Status)
	if e.Type != "" || e.Reason != "" {
		s += fmt.Sprintf(": %s: %s", e.Type, e.Reason)
	}
	if r := e.remedy(); r != "" {
		s += " (" + r + ")"
	}
	return s
}

func (e *Error) remedy() string {
	switch {
	case e.Status == http.StatusUnauthorized:
		return "set storage.elasticsearch.username and password, or api_key"
	case e.Status == http.StatusForbidden && strings.Contains(e.Type, "security"):
		return "the user needs the cluster privileges monitor, manage_index_templates and manage_ilm, and the index privileges all on clew's data streams"
	case strings.Contains(e.Reason, "read-only-allow-delete"), strings.Contains(e.Reason, "flood-stage"):
		return "the cluster's disks are nearly full: make room, and Elasticsearch takes documents again"
	case e.noShard():
		return "no node that is there has a copy of what is asked for: start the nodes that are missing"
	case e.Type == blocked && e.Status == http.StatusServiceUnavailable:
		return "Elasticsearch has elected no master or is starting: start the nodes that are missing"
	case e.Type == blocked:
		return "the index is read-only: remove its index.blocks settings"
	}
	return ""
}

// parseError reads an error's body.
func parseError(method, path string, status int, body []byte) *Error {
	e := &Error{Method: method, Path: path, Status: status}
	var in struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &in) != nil {
		e.Reason = clip(string(body))
		return e
	}
	var cause struct {
		Type      string `json:"type"`
		Reason    string `json:"reason"`
		RootCause []struct {
			Type   string `json:"type"`
			Reason string `json:"reason"`
		} `json:"root_cause"`
	}
	if json.Unmarshal(in.Error, &cause) != nil {
		e.Reason = clip(string(in.Error))
		return e
	}
	e.Type, e.Reason = cause.Type, clip(cause.Reason)
	if len(cause.RootCause) > 0 && cause.RootCause[0].Reason != cause.Reason {
		e.Reason += ": " + clip(cause.RootCause[0].Reason)
	}
	return e
}

// maxReason keeps a log line readable.
const maxReason = 500

func clip(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > maxReason {
		return s[:maxReason] + "..."
	}
	return s
}

// noShard is what Elasticsearch says of a shard of which no copy is on a node
// that is there.
const noShard = "no_shard_available_action_exception"

// blocked is what Elasticsearch says where it must not write, or cannot yet.
const blocked = "cluster_block_exception"

// noShard reports whether the cluster is well but has not got what was asked for.
func (e *Error) noShard() bool {
	if e.Status != http.StatusServiceUnavailable && e.Status != http.StatusBadGateway { // a node that has just died
		return false
	}
	switch e.Type {
	case noShard, "search_phase_execution_exception", "unavailable_shards_exception":
		return true
	}
	return false
}

// IsNoShard reports whether err is that shards are on no node that is there.
func IsNoShard(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.noShard()
}

// Status is the HTTP status that err carries, 0 where it carries none.
func Status(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// IsMissing reports whether the index or resource that was asked for is not there.
func IsMissing(err error) bool { return Status(err) == http.StatusNotFound }

// Passing reports whether err may be gone when the same request is sent
// again: the cluster was not reached, is overloaded or is not able to serve.
func Passing(err error) bool {
	if err == nil || errors.Is(err, errProduct) {
		return false
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout || e.Status >= http.StatusInternalServerError
	}
	return !errors.Is(err, context.Canceled)
}

// away reports whether err is that there is no Elasticsearch to ask: it was not
// reached or not called, or cannot serve for now.
func away(err error) bool {
	switch Status(err) {
	case 0, http.StatusRequestTimeout, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// IsOpen reports whether err is the circuit breaker's.
func IsOpen(err error) bool { return guard.IsOpen(err) }

// broken is what the breaker counts as a failure of the cluster. That it has
// too much to do is none, and neither is that it has lost a shard: it answers,
// and the others are there.
func broken(err error) bool {
	return Passing(err) && Status(err) != http.StatusTooManyRequests && !IsNoShard(err)
}

var errProduct = errors.New("not Elasticsearch: what answers at storage.elasticsearch.addresses is something else, or OpenSearch, which clew does not take")

// unreached is why no answer of Elasticsearch came, with what to do where that
// can be told.
func unreached(err error) error {
	var (
		dns       *net.DNSError
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		record    tls.RecordHeaderError
	)
	remedy := ""
	switch {
	case strings.Contains(err.Error(), "unknown product"):
		return errProduct
	case errors.As(err, &dns) && dns.IsNotFound:
		remedy = "check the name in storage.elasticsearch.addresses"
	case errors.Is(err, syscall.ECONNREFUSED):
		remedy = "start Elasticsearch there, or correct storage.elasticsearch.addresses"
	case errors.As(err, &authority):
		remedy = "set storage.elasticsearch.ca_file to a file with the certificates that vouch for the nodes'"
	case errors.As(err, &name):
		remedy = "write into storage.elasticsearch.addresses a name that the node's certificate is for"
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		remedy = "the node does not speak TLS: write http:// into storage.elasticsearch.addresses"
	}
	if remedy != "" {
		return fmt.Errorf("call elasticsearch: %w (%s)", err, remedy)
	}
	return fmt.Errorf("call elasticsearch: %w", err)
}

// explain says what the policies around a call mean by their errors.
func (c *Client) explain(err error) error {
	switch last := c.LastError(); {
	case errors.Is(err, timeout.ErrExceeded):
		return fmt.Errorf("elasticsearch did not answer within storage.elasticsearch.request_timeout: %w", err)
	case IsOpen(err) && last != "":
		return fmt.Errorf("elasticsearch is not called at the moment, it failed too often, at last with: %s: %w", last, err)
	case IsOpen(err):
		return fmt.Errorf("elasticsearch is not called at the moment, it failed too often: %w", err)
	}
	return err
}
