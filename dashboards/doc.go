// Package dashboards is Grafana's dashboards as code. Every dashboard is a Go
// function over a small typed builder; what they generate is committed under
// json/, from where Grafana is provisioned, and a test holds the two equal.
//
// It imports nothing of clew.
package dashboards

//go:generate go test -run ^TestJSON$ -update .
