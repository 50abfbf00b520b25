package storage

import (
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/metadata"
	promstorage "github.com/prometheus/prometheus/storage"
)

// Metrics keeps the metrics of every tenant.
type Metrics interface {
	// Tenant returns the metrics of one tenant, making them where there are
	// none yet. It is cheap after the first call. Safe for concurrent use.
	Tenant(name string) (TenantMetrics, error)
	// Tenants lists the tenants that have metrics, sorted.
	Tenants() []string
	Health() Health
	Close() error
}

// TenantMetrics is one tenant's metrics behind Prometheus's own interfaces.
//
// An Appender's Commit returns nil only when its samples, histograms and
// exemplars would survive a power cut; concurrent commits share an fsync. It
// returns an error that wraps ErrDiskFull where the disk has no room.
type TenantMetrics interface {
	promstorage.Appendable
	promstorage.AppendableV2
	promstorage.SampleAndChunkQueryable
	promstorage.ExemplarQueryable
	// Metadata returns type, help and unit by metric family name, all of them
	// for "".
	Metadata(family string) map[string]metadata.Metadata
}

// FamilyOf returns the metric family that a series of this name and type
// belongs to.
func FamilyOf(series string, typ model.MetricType) string {
	var suffixes []string
	switch typ {
	case model.MetricTypeHistogram, model.MetricTypeGaugeHistogram:
		suffixes = []string{"_bucket", "_sum", "_count"}
	case model.MetricTypeSummary:
		suffixes = []string{"_sum", "_count"}
	}
	for _, s := range suffixes {
		if family, ok := strings.CutSuffix(series, s); ok && family != "" {
			return family
		}
	}
	return series
}
