package otlp

import (
	"encoding/json"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/clewhq/clew/collector/admission"
)

// answerProto returns an Export...ServiceResponse. The three of them have the
// same field numbers.
func answerProto(out *admission.Outcome) []byte {
	text := out.Message()
	if out.Rejected == 0 && text == "" {
		return nil
	}
	var partial []byte
	if out.Rejected > 0 {
		partial = protowire.AppendTag(partial, 1, protowire.VarintType)
		partial = protowire.AppendVarint(partial, uint64(out.Rejected))
	}
	partial = protowire.AppendTag(partial, 2, protowire.BytesType)
	partial = protowire.AppendString(partial, text)
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), partial)
}

// answerJSON is answerProto in OTLP's JSON, where 64-bit numbers are strings.
func (s *signal) answerJSON(out *admission.Outcome) []byte {
	text := out.Message()
	if out.Rejected == 0 && text == "" {
		return []byte("{}")
	}
	partial := map[string]string{"errorMessage": text}
	if out.Rejected > 0 {
		partial[s.rejected] = strconv.Itoa(out.Rejected)
	}
	b, err := json.Marshal(map[string]any{"partialSuccess": partial})
	if err != nil {
		return []byte("{}") // strings always marshal
	}
	return b
}

// statusProto returns a google.rpc.Status.
func statusProto(code codes.Code, text string) []byte {
	b := protowire.AppendTag(nil, 1, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(code))
	b = protowire.AppendTag(b, 2, protowire.BytesType)
	return protowire.AppendString(b, text)
}

func statusJSON(code codes.Code, text string) []byte {
	b, err := json.Marshal(struct {
		Code    codes.Code `json:"code"`
		Message string     `json:"message"`
	}{code, text})
	if err != nil {
		return []byte("{}") // numbers and strings always marshal
	}
	return b
}
