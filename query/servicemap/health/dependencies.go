package health

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// dependencyKey is a dependency that a service tells of.
type dependencyKey struct{ service, name, typ, address string }

// dependencies puts what services say of their dependencies on the services, on
// the calls to them, and on the dependencies themselves.
func (l *look) dependencies(said map[dependencyKey][]checked) {
	keys := make([]dependencyKey, 0, len(said))
	for k := range said {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b dependencyKey) int {
		return cmp.Or(strings.Compare(a.service, b.service), strings.Compare(a.name, b.name), strings.Compare(a.typ, b.typ), strings.Compare(a.address, b.address))
	})
	told := map[string][]string{} // by target, what its callers say
	for _, k := range keys {
		d := Dependency{Name: k.name, Health: OK, Target: matchTarget(k, l.Calls[k.service])}
		var held stretch
		for _, c := range said[k] { // its instances
			if !c.bad || c.failed.until != 0 {
				continue
			}
			state := Degraded
			if c.value == 0 {
				state = Down
			}
			d.Health = Worse(d.Health, state)
			if held.since == 0 || c.failed.since < held.since {
				held = c.failed
			}
		}
		d.Since = At(held.since)
		l.found.Dependencies[k.service] = append(l.found.Dependencies[k.service], d)
		if d.Target != "" {
			told[d.Target] = append(told[d.Target], d.Health)
		}
		if d.Health == OK {
			continue
		}
		r := reasonOf(KindDependency, Degraded, "its health check says that "+k.name+" is "+d.Health, held)
		r.Link = l.promLink(metricDependency + `{dependency_name="` + k.name + `"}`)
		l.blame([]string{k.service}, r)
		if d.Target != "" {
			r.Health, r.Text = d.Health, "the health check of "+k.service+" says that "+k.name+" is "+d.Health
			edge := [2]string{k.service, d.Target}
			l.found.Edges[edge] = append(l.found.Edges[edge], r)
		}
	}
	l.blameTargets(told)
}

// blameTargets says of what services need what all of them say: it is down
// where nobody says that it is well.
func (l *look) blameTargets(told map[string][]string) {
	for edge, reasons := range l.found.Edges {
		for _, r := range reasons {
			if slices.Contains(told[edge[1]], OK) {
				r.Health = Degraded
			}
			l.blame([]string{edge[1]}, r)
		}
	}
	for id, states := range told {
		if !slices.ContainsFunc(states, func(s string) bool { return s != OK }) {
			l.found.Well[id] = true
		}
	}
}

// families are what dependencies are called whose nodes are called otherwise,
// by the beginnings of their nodes' IDs.
var families = map[string][]string{
	"db":         {"postgresql:", "mysql:", "mariadb:", "mssql:", "microsoft.sql_server:", "oracle:", "oracle.db:", "db2:", "sqlite:", "h2:", "h2database:", "hsqldb:", "cockroachdb:", "other_sql:"},
	"mongo":      {"mongodb:"},
	"rabbit":     {"rabbitmq:"},
	"amqp":       {"rabbitmq:"},
	"elastic":    {"elasticsearch:"},
	"postgres":   {"postgresql:"},
	"sqlserver":  {"mssql:", "microsoft.sql_server:"},
	"kafka":      {"kafka:"},
	"jms":        {"activemq:", "jms:"},
	"servicebus": {"servicebus:", "azure_servicebus:"},
}

// sameFamily are other words for a family's name.
var sameFamily = map[string]string{"database": "db", "datasource": "db", "sql": "db", "r2dbc": "db", "jdbc": "db", "dbcontext": "db", "mongodb": "mongo",
	"rabbitmq": "rabbit", "elasticsearch": "elastic", "postgresql": "postgres", "npgsql": "postgres", "mssql": "sqlserver"}

// matchTarget returns which of the nodes that a service calls a dependency is:
// the one whose host, name or kind it names, "" where none or several are as
// likely.
func matchTarget(k dependencyKey, targets []string) string {
	best, at, ties := 0, "", 0
	for _, t := range targets {
		score := likeness(k, t)
		switch {
		case score > best:
			best, at, ties = score, t, 1
		case score == best && score > 0 && t != at:
			ties++
		}
	}
	if ties != 1 {
		return ""
	}
	return at
}

// likeness is how sure it is that a dependency is a node: 0 is not at all.
func likeness(k dependencyKey, id string) int {
	lower := strings.ToLower(id)
	if host := hostOf(k.address); host != "" && slices.Contains(hosts(lower), host) {
		return 5
	}
	name := plainName(k.name)
	system, rest, _ := strings.Cut(lower, ":")
	if slash := strings.LastIndexByte(rest, '/'); slash >= 0 {
		rest = rest[slash+1:]
	}
	for _, node := range []string{lower, lower[strings.LastIndexByte(lower, '/')+1:], rest} {
		if node != "" && (letters(node) == letters(k.name) || plainName(node) == name && name != "") {
			return 4
		}
	}
	for _, word := range []string{letters(k.name), name, letters(k.typ)} {
		if word != "" && (word == letters(system) && rest != "" || inFamily(word, lower)) {
			return 2
		}
	}
	if len(name) > 3 && strings.Contains(letters(lower), name) {
		return 1
	}
	return 0
}

func inFamily(word, id string) bool {
	if other := sameFamily[word]; other != "" {
		word = other
	}
	return slices.ContainsFunc(families[word], func(prefix string) bool { return strings.HasPrefix(id, prefix) })
}

// hosts are the hosts that a node's ID may name.
func hosts(id string) []string {
	_, rest, found := strings.Cut(id, ":")
	if !found {
		rest = id
	}
	host, _, _ := strings.Cut(rest, "/")
	return []string{id, host}
}

// letters keeps letters and digits, in lower case.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// plainName leaves out what names of dependencies and services end in.
func plainName(s string) string {
	s = letters(s)
	for again := true; again; {
		again = false
		for _, end := range []string{"healthindicator", "healthcheck", "health", "indicator", "check", "service", "svc", "client", "api", "connection", "server"} {
			if cut, ok := strings.CutSuffix(s, end); ok && cut != "" {
				s, again = cut, true
			}
		}
	}
	return s
}
