package correlation

import (
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// Change is the kind of ChangeID.
const Change Kind = "change"

// ChangeID is an ID that every log record carries that tells of a deployment,
// of changed settings or of a changed flag, and every first span of a pipeline
// or a deployment, so that these are found near a story as fast as the story is.
// It is never followed.
const ChangeID = "clew.change"

// changeAttrs begin the attributes of such records, as OpenTelemetry names them
// and what records changes does.
var changeAttrs = [...]string{"deployment.id", "deployment.name", "deployment.status", "cicd.pipeline.", "feature_flag.change", "config.change", "change.type", "change.id"}

// An event's name tells of a change where it holds one of changeEvents, or one
// of changeTopics and one of changeVerbs.
var (
	changeEvents = []string{"deployment", "rollout", "rollback", "release"}
	changeTopics = []string{"feature_flag", "featureflag", "feature.flag", "config", "setting", "flag"}
	changeVerbs  = []string{"change", "update", "toggle", "enable", "disable", "reload", "create", "delete", "remove", "publish"}
)

// attrEventName is where records keep the name of their event that have no
// field for it.
const attrEventName = "event.name"

// isChange reports whether l tells of a change.
func isChange(l *telemetry.Log) bool {
	if l.EventName != "" && isChangeEvent(l.EventName) {
		return true
	}
	for i := range l.Attrs {
		a := &l.Attrs[i]
		if isChangeAttr(a) || a.Key == attrEventName && isChangeEvent(a.Value.Str()) {
			return true
		}
	}
	return false
}

// isChangeSpan reports whether s, which has no parent, is a deployment's or the
// run of a pipeline.
func isChangeSpan(s *telemetry.Span) bool {
	if !s.ParentID.IsZero() {
		return false
	}
	for i := range s.Attrs {
		if isChangeAttr(&s.Attrs[i]) {
			return true
		}
	}
	return false
}

func isChangeAttr(a *telemetry.Attr) bool {
	if a.Key == "" || a.Key[0] != 'c' && a.Key[0] != 'd' && a.Key[0] != 'f' {
		return false
	}
	for _, word := range changeAttrs {
		if strings.HasPrefix(a.Key, word) {
			return a.Value.Text() != ""
		}
	}
	return false
}

// isChangeEvent knows deployment.finished, feature_flag.updated, config_reload.
func isChangeEvent(name string) bool {
	name = strings.ToLower(name)
	return hasWord(name, changeEvents) || hasWord(name, changeTopics) && hasWord(name, changeVerbs)
}

func hasWord(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}
