package correlation

import (
	"slices"
	"testing"

	"github.com/clewhq/clew/telemetry"
)

func TestChanges(t *testing.T) {
	for name, c := range map[string]struct {
		log  telemetry.Log
		want bool
	}{
		"a deployment":            {telemetry.Log{EventName: "deployment.finished"}, true},
		"a roll-out by attribute": {telemetry.Log{Attrs: telemetry.Attrs{str("event.name", "Rollout.Started")}}, true},
		"a flag":                  {telemetry.Log{EventName: "feature_flag.updated"}, true},
		"settings":                {telemetry.Log{EventName: "config_reload"}, true},
		"an ID of a deployment":   {telemetry.Log{Attrs: telemetry.Attrs{str("x", "y"), str("deployment.id", "17")}}, true},
		"a pipeline":              {telemetry.Log{Attrs: telemetry.Attrs{{Key: "cicd.pipeline.run.id", Value: telemetry.Int(17)}}}, true},
		"an evaluation of a flag": {telemetry.Log{EventName: "feature_flag.evaluation", Attrs: telemetry.Attrs{str("feature_flag.key", "new-prices")}}, false},
		"an environment":          {telemetry.Log{Attrs: telemetry.Attrs{str("deployment.environment.name", "prod"), str("deployment.id", "")}}, false},
		"an order":                {telemetry.Log{EventName: "order.created", Attrs: telemetry.Attrs{str("", "deployment"), str("event.name", "order.updated")}}, false},
		"talk of a deployment":    {telemetry.Log{Body: telemetry.String("deployment.id=17 of old")}, false},
		"nothing":                 {telemetry.Log{}, false},
	} {
		got := slices.ContainsFunc(AppendLog(nil, &c.log), func(id ID) bool { return id.Value == ChangeID && id.Kind == Change })
		if got != c.want || got != slices.Contains(AppendLogHashes(nil, &c.log), Hash(ChangeID)) {
			t.Errorf("%s: taken for a change %v", name, got)
		}
	}
	if Normalize(ChangeID) != ChangeID || Change.Joins() {
		t.Error("what marks changes is no ID that leads anywhere")
	}
}
