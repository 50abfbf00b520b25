package healthcheck

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The values of a status.
const (
	well     = 1.0
	degraded = 0.5
	down     = 0.0
)

// The bounds of an answer: what is beyond is no health check.
const (
	maxDependencies = 100
	maxNameBytes    = 100
)

// report is what an answer says.
type report struct {
	status       float64
	known        bool // the answer says something of the service itself
	dependencies []dependency
}

// dependency is what an answer says of one thing that the service needs.
type dependency struct {
	name, typ, address string
	status             float64
}

// words are the texts that people write for a status.
var words = map[string]float64{
	"up": well, "ok": well, "okay": well, "pass": well, "passing": well, "healthy": well, "success": well, "true": well, "green": well, "alive": well,
	"available": well, "online": well, "connected": well, "ready": well, "good": well, "serving": well, "normal": well,
	"warn": degraded, "warning": degraded, "degraded": degraded, "yellow": degraded, "partial": degraded, "slow": degraded,
	"down": down, "fail": down, "failed": down, "failing": down, "failure": down, "error": down, "unhealthy": down, "critical": down, "false": down,
	"red": down, "offline": down, "unavailable": down, "out_of_service": down, "outofservice": down, "disconnected": down, "not_serving": down, "dead": down,
}

// sections are the keys under which answers list what they need: Spring Boot's
// actuator and Quarkus, ASP.NET's usual writer, the IETF's draft of
// application/health+json and MicroProfile, Terminus and Spring Boot before 2.2,
// clew itself, and others.
var sections = []string{"components", "entries", "checks", "details", "dependencies", "services", "results"}

// parse reads an answer; ok is false where it is none that speaks of health.
func parse(body []byte) (r report, ok bool) {
	var top map[string]any
	if json.Unmarshal(body, &top) != nil {
		return report{}, false
	}
	r.status, r.known = statusOf(top)
	for _, key := range sections {
		if section, has := top[key]; has {
			r.section(section)
		}
	}
	if len(r.dependencies) == 0 {
		delete(top, "status")
		for name, v := range top {
			if _, object := v.(map[string]any); object { // as Spring Boot had it at first
				r.one(name, v)
			}
		}
	}
	slices.SortFunc(r.dependencies, func(a, b dependency) int {
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.status, b.status))
	})
	// Two of a name are one series: the worse one comes first.
	r.dependencies = slices.CompactFunc(r.dependencies, func(a, b dependency) bool { return a.name == b.name })
	r.dependencies = r.dependencies[:min(len(r.dependencies), maxDependencies)]
	return r, r.known || len(r.dependencies) > 0
}

// section reads a list of dependencies, or an object of them by name.
func (r *report) section(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, one := range v {
			r.one(name, one)
		}
	case []any:
		for _, one := range v {
			object, _ := one.(map[string]any)
			if name := text(object, "name", "id", "component", "componentId", "key"); name != "" {
				r.one(name, object)
			}
		}
	}
}

// one notes a dependency, if v says how it is.
func (r *report) one(name string, v any) {
	d := dependency{name: short(name)}
	switch v := v.(type) {
	case []any: // the IETF's: "postgres:responseTime": [{...}, ...]
		d.name, _, _ = strings.Cut(d.name, ":")
		found := false
		for _, one := range v {
			object, _ := one.(map[string]any)
			if s, ok := statusOf(object); ok && (!found || s < d.status) {
				d.status, found = s, true
				d.describe(object)
			}
		}
		if !found {
			return
		}
	case map[string]any:
		s, ok := statusOf(v)
		if !ok {
			return
		}
		d.status = s
		d.describe(v)
	default:
		s, ok := word(v)
		if !ok {
			return
		}
		d.status = s
	}
	if d.name != "" {
		r.dependencies = append(r.dependencies, d)
	}
}

// describe looks for what a dependency is and where, beside its status and in
// its details.
func (d *dependency) describe(object map[string]any) {
	places := []map[string]any{object}
	for _, key := range []string{"details", "data", "info", "metadata"} {
		if inner, ok := object[key].(map[string]any); ok {
			places = append(places, inner)
		}
	}
	for _, p := range places {
		d.typ = cmp.Or(d.typ, short(text(p, "database", "type", "system", "componentType", "product", "kind")))
		d.address = cmp.Or(d.address, short(withoutSecrets(text(p, "url", "uri", "address", "host", "hostname", "server", "endpoint", "location", "nodes", "hosts", "bootstrapServers"))))
	}
}

// statusOf reads the status of an object.
func statusOf(object map[string]any) (float64, bool) {
	for _, key := range []string{"status", "state", "health", "healthy", "isHealthy", "ok", "success", "up"} {
		if v, has := object[key]; has {
			if nested, is := v.(map[string]any); is {
				v = nested["code"] // Spring's {"status": {"code": "UP"}}
			}
			if s, ok := word(v); ok {
				return s, true
			}
		}
	}
	return 0, false
}

// word reads a status as a text, a truth or an HTTP status. Other numbers mean
// this to one writer and that to another.
func word(v any) (float64, bool) {
	switch v := v.(type) {
	case bool:
		s, ok := words[strconv.FormatBool(v)]
		return s, ok
	case string:
		s, ok := words[strings.ReplaceAll(strings.ToLower(strings.TrimSpace(v)), " ", "_")]
		return s, ok
	case float64:
		if v >= http.StatusOK && v < http.StatusBadRequest {
			return well, true
		}
		return down, v >= http.StatusBadRequest && v < 600
	}
	return 0, false
}

// text returns the first of keys that is a text.
func text(object map[string]any, keys ...string) string {
	for _, key := range keys {
		if s, ok := object[key].(string); ok && s != "" {
			return s
		}
	}
	return ""
}

// withoutSecrets leaves out the password and the query of an address.
func withoutSecrets(address string) string {
	address, _, _ = strings.Cut(address, "?")
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		scheme, rest = "", address
	}
	host, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = host[at+1:]
	}
	if path != "" {
		host += "/" + path
	}
	if scheme != "" {
		return scheme + "://" + host
	}
	return host
}

// short bounds what becomes a label.
func short(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), maxNameBytes)], "")
}
