package elastic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/telemetry"
)

// item is one action of a bulk request, and in the end its answer.
type item struct {
	action string
	index  string
	id     string
	record telemetry.Log
	status int
	kind   string // Elasticsearch's type of error
	reason string
}

func (it *item) fail(status int, kind, format string, args ...any) {
	it.status, it.kind, it.reason = status, kind, fmt.Sprintf(format, args...)
}

// parse reads a bulk request: a line with the action, then a line with the
// document. What is wrong with a document fails that item; an action line that
// cannot be read fails the request, because nothing after it can be told apart.
func parse(b []byte, index string) ([]item, error) {
	var items []item
	for line := 1; len(b) > 0; line++ {
		var head []byte
		head, b = cut(b)
		if len(bytes.TrimSpace(head)) == 0 {
			continue
		}
		it, err := parseAction(head, index)
		if err != nil {
			return nil, admission.Invalid("malformed bulk request: line %d: %w", line, err)
		}
		if it.action == "delete" {
			it.fail(http.StatusBadRequest, "action_request_validation_exception", "log records cannot be deleted")
			items = append(items, it)
			continue
		}
		if len(b) == 0 {
			return nil, admission.Invalid("malformed bulk request: line %d: no document behind the action", line)
		}
		var doc []byte
		doc, b = cut(b)
		line++
		switch it.action {
		case "update":
			it.fail(http.StatusBadRequest, "action_request_validation_exception", "log records cannot be updated")
		default:
			if it.record, err = document(it.index, doc); err != nil {
				it.fail(http.StatusBadRequest, "document_parsing_exception", "%v", err)
			}
		}
		items = append(items, it)
	}
	return items, nil
}

func cut(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, []byte{'\n'})
	return line, rest
}

func parseAction(line []byte, index string) (item, error) {
	var action map[string]struct {
		Index string `json:"_index"`
		ID    string `json:"_id"`
	}
	if err := json.Unmarshal(line, &action); err != nil {
		return item{}, fmt.Errorf("want an action such as {\"create\":{}}: %w", err)
	}
	for name, target := range action {
		switch name {
		case "create", "index", "update", "delete":
			if len(action) > 1 {
				break
			}
			if target.Index == "" {
				target.Index = index
			}
			return item{action: name, index: target.Index, id: target.ID, status: http.StatusCreated}, nil
		}
	}
	return item{}, fmt.Errorf("want one action of create, index, update, delete, got %.100s", line)
}

// answer returns the body of the bulk response.
func answer(items []item, tookMS int64) map[string]any {
	failed := false
	list := make([]map[string]any, len(items))
	for i, it := range items {
		result := map[string]any{"_index": it.index, "status": it.status}
		if it.id != "" {
			result["_id"] = it.id
		}
		if it.status == http.StatusCreated {
			result["result"] = "created"
			result["_version"] = 1
			result["_shards"] = map[string]int{"total": 1, "successful": 1, "failed": 0}
		} else {
			failed = true
			result["error"] = map[string]string{"type": it.kind, "reason": it.reason}
		}
		list[i] = map[string]any{it.action: result}
	}
	return map[string]any{"took": tookMS, "errors": failed, "items": list}
}
