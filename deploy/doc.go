// Package deploy is how clew gets onto machines: images, a compose file,
// systemd units, a Helm chart and what Grafana is provisioned with. It holds
// no code, only the files and the tests that check them as far as that is
// possible without a cluster: the chart is linted and rendered by the real
// helm, and what it renders is decoded strictly into Kubernetes's own types.
//
// Its tests may import anything; nothing imports it.
package deploy

//go:generate go test -run ^TestChartCopies$ -update .
