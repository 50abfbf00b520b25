package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/clewhq/clew/collector/admission"
)

// Limits is the `limits` section: what holds for every tenant, and the tenants
// that have limits of their own.
type Limits struct {
	admission.Limits `yaml:",inline"`
	// Tenants have limits of their own, by name. What one leaves out is not
	// limited; burst_seconds is as for the others.
	Tenants map[string]admission.Limits `yaml:"tenants"`
}

// Of returns the limits of a tenant.
func (l *Limits) Of(tenant string) admission.Limits {
	own, ok := l.Tenants[tenant]
	if !ok {
		return l.Limits
	}
	if own.BurstSeconds == 0 {
		own.BurstSeconds = l.BurstSeconds
	}
	return own
}

// Validate says what is wrong with l. What holds for all is checked where it
// is used.
func (l *Limits) Validate() error {
	for _, name := range slices.Sorted(maps.Keys(l.Tenants)) {
		own := l.Of(name)
		if err := own.Validate(); err != nil {
			return fmt.Errorf("tenants.%s: %w", name, err)
		}
	}
	return nil
}
