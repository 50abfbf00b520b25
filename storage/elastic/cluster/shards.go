package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/valyala/fastjson"
)

// Where no copy of a shard is on a node that is there, the others answer, and
// what is missing is told with the answer. So every search asks for what there
// is, and looks at how many shards that was.

// Partial is the parameter that has the shards that are there answer.
const Partial = "allow_partial_search_results"

// namedShards bounds how many of the missing shards a warning names.
const namedShards = 5

// Missing says what shards did not answer a search, "" where all did. Where
// none did it is an error.
func Missing(v *fastjson.Value) (warning string, err error) {
	shards := v.Get("_shards")
	failed, total := shards.GetInt("failed"), shards.GetInt("total")
	// What is known to be missing when a point in time is opened is no failure.
	failed = max(failed, total-shards.GetInt("successful"))
	if failed == 0 {
		if v.GetBool("timed_out") {
			return "Elasticsearch stopped a search before its end: what it had not looked at is missing", nil
		}
		return "", nil
	}
	why := reasons(shards.GetArray("failures"))
	if failed == total {
		return "", fmt.Errorf("none of %d shards answered%s", total, why)
	}
	return fmt.Sprintf("%d of %d shards of Elasticsearch did not answer, what they hold is missing%s", failed, total, why), nil
}

// reasons names shards that failed, and why.
func reasons(failures []*fastjson.Value) string {
	var out []string
	for _, f := range failures {
		why := string(f.GetStringBytes("reason", "reason"))
		if kind := string(f.GetStringBytes("reason", "type")); kind == noShard {
			why = "no node that is there has a copy of it"
		} else if why == "" {
			why = kind
		}
		out = append(out, fmt.Sprintf("%s[%d]: %s", f.GetStringBytes("index"), f.GetInt("shard"), why))
	}
	slices.Sort(out)
	if len(out) > namedShards {
		out = append(out[:namedShards], fmt.Sprintf("and %d more", len(out)-namedShards))
	}
	if len(out) == 0 {
		return ""
	}
	return ": " + strings.Join(out, "; ")
}
