package kubevents

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// errGone says that the API server has forgotten what comes after a version:
// who watched has to list again.
var errGone = errors.New("the API server has no events from that far back any more")

// The bounds of questions: events of a page, and how long a watch lasts before
// it is asked for anew, so that a connection that died unnoticed is no loss.
const (
	pageSize     = 500
	watchSeconds = 240
	// answerWithin is how long the API server may take to begin to answer.
	answerWithin = 30 * time.Second
	// maxErrorBytes is how much of a refusal is read.
	maxErrorBytes = 4 << 10
)

// event is an event of Kubernetes, as far as it is handed on.
type event struct {
	Metadata struct {
		Name              string    `json:"name"`
		Namespace         string    `json:"namespace"`
		UID               string    `json:"uid"`
		ResourceVersion   string    `json:"resourceVersion"`
		CreationTimestamp time.Time `json:"creationTimestamp"`
	} `json:"metadata"`
	InvolvedObject struct {
		Kind      string `json:"kind"`
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
		UID       string `json:"uid"`
		FieldPath string `json:"fieldPath"`
	} `json:"involvedObject"`
	Reason string `json:"reason"`
	// Message is the text, and Type Normal or Warning.
	Message string `json:"message"`
	Type    string `json:"type"`
	Action  string `json:"action"`
	Count   int64  `json:"count"`
	Source  struct {
		Component string `json:"component"`
		Host      string `json:"host"`
	} `json:"source"`
	ReportingComponent string    `json:"reportingComponent"`
	EventTime          time.Time `json:"eventTime"`
	FirstTimestamp     time.Time `json:"firstTimestamp"`
	LastTimestamp      time.Time `json:"lastTimestamp"`
	Series             *struct {
		Count            int64     `json:"count"`
		LastObservedTime time.Time `json:"lastObservedTime"`
	} `json:"series"`
	// Code and Message are those of a refusal in a watch.
	Code int `json:"code"`
}

// at is when the event happened last.
func (e *event) at() time.Time {
	if e.Series != nil && !e.Series.LastObservedTime.IsZero() {
		return e.Series.LastObservedTime
	}
	for _, t := range []time.Time{e.LastTimestamp, e.EventTime, e.FirstTimestamp} {
		if !t.IsZero() {
			return t
		}
	}
	return e.Metadata.CreationTimestamp
}

// listing is a page of events.
type listing struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion"`
		Continue        string `json:"continue"`
	} `json:"metadata"`
	Items []event `json:"items"`
}

// change is what a watch tells.
type change struct {
	Type   string `json:"type"`
	Object event  `json:"object"`
}

// api asks the API server.
type api struct {
	address   string
	tokenFile string
	client    *http.Client
}

func newAPI(c *Config) (*api, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = answerWithin
	pem, err := os.ReadFile(c.CAFile)
	switch {
	case err == nil:
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read ca_file %s: it holds no certificate", c.CAFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	return &api{address: strings.TrimRight(c.address(), "/"), tokenFile: c.TokenFile, client: &http.Client{Transport: transport}}, nil
}

// get asks for the events of a namespace, "" for all.
func (a *api) get(ctx context.Context, namespace string, query url.Values) (io.ReadCloser, error) {
	path := "/api/v1/events"
	if namespace != "" {
		path = "/api/v1/namespaces/" + url.PathEscape(namespace) + "/events"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.address+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	token, err := os.ReadFile(a.tokenFile) // anew: Kubernetes changes it
	if err == nil {
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read token_file: %w", err)
	}
	res, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusOK {
		return res.Body, nil
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusGone {
		return nil, errGone
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBytes))
	if err != nil {
		return nil, err
	}
	var status struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(text, &status) == nil && status.Message != "" {
		text = []byte(status.Message)
	}
	return nil, fmt.Errorf("the API server answers %s: %s", res.Status, text)
}

// list calls each with the pages of all events, and returns the version from
// which on a watch tells of what comes after.
func (a *api) list(ctx context.Context, namespace string, each func([]event) error) (version string, err error) {
	query := url.Values{"limit": {strconv.Itoa(pageSize)}}
	for {
		body, err := a.get(ctx, namespace, query)
		if err != nil {
			return "", err
		}
		var page listing
		err = errors.Join(json.NewDecoder(body).Decode(&page), body.Close())
		if err != nil {
			return "", fmt.Errorf("read the listing of events: %w", err)
		}
		if err := each(page.Items); err != nil {
			return "", err
		}
		if page.Metadata.Continue == "" {
			return page.Metadata.ResourceVersion, nil
		}
		query.Set("continue", page.Metadata.Continue)
	}
}

// watch calls each with what changes after a version, until the API server ends
// it.
func (a *api) watch(ctx context.Context, namespace, version string, each func(change) error) error {
	body, err := a.get(ctx, namespace, url.Values{"watch": {"1"}, "allowWatchBookmarks": {"1"}, "resourceVersion": {version}, "timeoutSeconds": {strconv.Itoa(watchSeconds)}})
	if err != nil {
		return err
	}
	defer body.Close()
	for changes := json.NewDecoder(body); ; {
		var c change
		if err := changes.Decode(&c); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("watch events: %w", err)
		}
		if c.Type == "ERROR" {
			if c.Object.Code == http.StatusGone {
				return errGone
			}
			return fmt.Errorf("watch events: %s", c.Object.Message)
		}
		if err := each(c); err != nil {
			return err
		}
	}
}
