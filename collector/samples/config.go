package samples

import (
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/otlptranslator"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/storage/remote/otlptranslator/prometheusremotewrite"
)

// What to do with sums and histograms of delta temporality, which Prometheus's
// data model does not have.
const (
	DeltaConvert = "convert" // add them up, in memory, to cumulative ones
	DeltaReject  = "reject"  // reject those data points
)

// Config says how OTLP metrics become Prometheus series.
type Config struct {
	// Translation is one of Prometheus's OTLP translation strategies.
	Translation string `yaml:"translation_strategy"`
	// PromoteResourceAttributes become labels of every series of the resource.
	// All others stand in target_info.
	PromoteResourceAttributes []string `yaml:"promote_resource_attributes"`
	// PromoteScope adds the scope's name and version as labels.
	PromoteScope bool `yaml:"promote_scope_metadata"`
	// NativeHistograms stores explicit-bucket histograms as native histograms
	// with custom buckets instead of a series for each bucket.
	NativeHistograms bool `yaml:"convert_histograms_to_nhcb"`
	// Delta is convert or reject.
	Delta string `yaml:"delta_temporality"`
}

// DefaultConfig translates as Prometheus does by default, and promotes what
// tells instances apart and what dashboards group by.
func DefaultConfig() Config {
	return Config{
		Translation: string(otlptranslator.UnderscoreEscapingWithSuffixes),
		PromoteResourceAttributes: []string{
			"service.name", "service.namespace", "service.instance.id", "service.version", "deployment.environment.name",
			"host.name", "cloud.availability_zone", "cloud.region", "container.name",
			"k8s.cluster.name", "k8s.namespace.name", "k8s.node.name", "k8s.pod.name", "k8s.container.name",
			"k8s.deployment.name", "k8s.statefulset.name", "k8s.daemonset.name", "k8s.job.name", "k8s.cronjob.name",
		},
		Delta: DeltaConvert,
	}
}

// strategies are the translation strategies to choose from.
var strategies = []string{
	string(otlptranslator.UnderscoreEscapingWithSuffixes), string(otlptranslator.UnderscoreEscapingWithoutSuffixes),
	string(otlptranslator.NoUTF8EscapingWithSuffixes), string(otlptranslator.NoTranslation),
}

// Validate says what is wrong with c.
func (c *Config) Validate() error {
	var errs []error
	known := false
	for _, s := range strategies {
		known = known || s == c.Translation
	}
	if !known {
		errs = append(errs, fmt.Errorf("translation_strategy: %q, want one of %s", c.Translation, strings.Join(strategies, ", ")))
	}
	if c.Delta != DeltaConvert && c.Delta != DeltaReject {
		errs = append(errs, fmt.Errorf("delta_temporality: %q, want %s or %s", c.Delta, DeltaConvert, DeltaReject))
	}
	for _, a := range c.PromoteResourceAttributes {
		if a == "" {
			errs = append(errs, errors.New("promote_resource_attributes: holds an empty name"))
		}
	}
	return errors.Join(errs...)
}

// settings returns c as the converter wants it.
func (c *Config) settings() prometheusremotewrite.Settings {
	strategy := otlptranslator.TranslationStrategyOption(c.Translation)
	return prometheusremotewrite.Settings{
		AddMetricSuffixes:       strategy.ShouldAddSuffixes(),
		AllowUTF8:               !strategy.ShouldEscape(),
		ConvertHistogramsToNHCB: c.NativeHistograms,
		PromoteScopeMetadata:    c.PromoteScope,
		// As Prometheus has them by default: _x is key_x, a__b stays.
		LabelNameUnderscoreSanitization:      true,
		LabelNamePreserveMultipleUnderscores: true,
		PromoteResourceAttributes: prometheusremotewrite.NewPromoteResourceAttributes(promconfig.OTLPConfig{
			PromoteResourceAttributes: c.PromoteResourceAttributes,
		}),
	}
}
