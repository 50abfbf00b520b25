package patience

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"go.uber.org/zap"
)

// TypeName is the extension's name in a configuration.
const TypeName = "clew_patience"

// Config is how patient the exporter is.
type Config struct {
	// Final are the statuses that speak of the data itself: the request is
	// dropped. Everything else that is not a success is tried again.
	Final []int `mapstructure:"final"`
	// ReportEvery limits how often an answer that needs a human (as 401 or
	// 404) is logged.
	ReportEvery time.Duration `mapstructure:"report_every"`
}

// NewFactory returns the factory of clew_patience.
func NewFactory() extension.Factory {
	return extension.NewFactory(component.MustNewType(TypeName), defaultConfig, create, component.StabilityLevelBeta)
}

func defaultConfig() component.Config {
	return &Config{
		Final: []int{
			http.StatusBadRequest, http.StatusRequestEntityTooLarge,
			http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity,
		},
		ReportEvery: time.Minute,
	}
}

func create(_ context.Context, set extension.Settings, cfg component.Config) (extension.Extension, error) {
	return &patience{config: cfg.(*Config), log: set.Logger, now: time.Now}, nil
}

// patience makes round trippers that share one rate limit on their reports.
type patience struct {
	component.StartFunc
	component.ShutdownFunc
	config   *Config
	log      *zap.Logger
	now      func() time.Time
	reported atomic.Int64 // when, in Unix nanoseconds
}

// GetHTTPRoundTripper is called by an exporter when it starts.
func (p *patience) GetHTTPRoundTripper(context.Context) (extensionmiddleware.WrapHTTPRoundTripperFunc, error) {
	return func(_ context.Context, next http.RoundTripper) (http.RoundTripper, error) {
		return roundTripper{p, next}, nil
	}, nil
}

type roundTripper struct {
	patience *patience
	next     http.RoundTripper
}

// RoundTrip sends the request and rewrites an answer that is not final.
func (r roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.next.RoundTrip(req)
	if err != nil {
		r.patience.failed(req, err.Error(), "is the server running, and is this its address?")
		return resp, err
	}
	if problem, hint := noReceipt(req, resp); problem != "" {
		_ = resp.Body.Close() // what it says is of no use
		r.patience.failed(req, problem, hint)
		return nil, fmt.Errorf("%s: %s: %s", req.URL.Redacted(), problem, hint)
	}
	if !r.patience.rewrites(resp) {
		r.patience.answered(req, resp)
		return resp, nil
	}
	r.patience.failed(req, resp.Status, hint(resp.StatusCode))
	resp.Status = "503 (was " + strconv.Itoa(resp.StatusCode) + ")"
	resp.StatusCode = http.StatusServiceUnavailable
	return resp, nil
}

// rewrites reports whether a status is neither a success, nor final, nor
// already one that the exporter retries.
func (p *patience) rewrites(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return resp.Header.Get("Location") == "" // else it is followed, above this middleware
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return false
	}
	return resp.StatusCode >= http.StatusMultipleChoices && !slices.Contains(p.config.Final, resp.StatusCode)
}

// noReceipt says why a success is none of a server of OTLP, and what to do, ""
// where it may be one: login pages and proxies answer 200 as well, and have
// taken nothing. An answer of nothing at all is a receipt: OTLP's own is empty.
func noReceipt(req *http.Request, resp *http.Response) (problem, hint string) {
	if resp.StatusCode < http.StatusOK || resp.StatusCode >= http.StatusMultipleChoices {
		return "", ""
	}
	if req.Method != http.MethodPost {
		return "a redirect led here, and the data did not come along", "set the endpoint to where the server is"
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")) // "" where that is none
	switch {
	case kind == "application/x-protobuf" || kind == "application/json":
		return "", ""
	case kind != "text/html" && empty(resp):
		return "", ""
	case kind == "":
		kind = "no Content-Type"
	}
	return resp.Status + " with " + kind + " is no answer of a server of OTLP",
		"check the endpoint: a login page or a proxy is there, the server's OTLP address is wanted, without /v1/logs"
}

// empty reports whether an answer has no body. It reads one byte of it where
// the length is not told: who has a body after all is not read any further.
func empty(resp *http.Response) bool {
	if resp.ContentLength >= 0 {
		return resp.ContentLength == 0
	}
	n, _ := io.ReadFull(resp.Body, make([]byte, 1))
	return n == 0
}

// failed tells, now and then, that nothing gets through and why.
func (p *patience) failed(req *http.Request, problem, hint string) {
	now, last := p.now().UnixNano(), p.reported.Load()
	if last != 0 && now-last < int64(p.config.ReportEvery) || !p.reported.CompareAndSwap(last, now) {
		return
	}
	p.log.Warn("nothing gets through to the server; it waits in the queue on disk and is tried again",
		zap.String("url", req.URL.Redacted()), zap.String("problem", problem), zap.String("hint", hint))
}

// answered says that a failure that was reported is over, and what the server
// will not have at all.
func (p *patience) answered(req *http.Request, resp *http.Response) {
	switch {
	case resp.StatusCode < http.StatusMultipleChoices:
		if p.reported.Swap(0) != 0 {
			p.log.Warn("the server takes data again", zap.String("url", req.URL.Redacted()))
		}
	case resp.StatusCode >= http.StatusInternalServerError, resp.StatusCode == http.StatusTooManyRequests:
		p.failed(req, resp.Status, "the server asks to wait")
	}
}

func hint(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "check CLEW_TOKEN and CLEW_TENANT"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return "check the endpoint: it must be the server's OTLP address, without /v1/logs"
	}
	return "look at the server's log"
}
