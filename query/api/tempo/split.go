package tempo

// maxMessageBytes is how big a message of the streaming service grows before
// the rest goes into another one: below the 4 MiB that gRPC clients accept.
const maxMessageBytes = 3 << 20

// cuts divides n items of the given sizes into runs that each fit a message,
// and returns where the runs end. There is always one.
func cuts(n int, size func(i int) int) []int {
	var out []int
	total := 0
	for i := range n {
		s := size(i)
		if total > 0 && total+s > maxMessageBytes {
			out = append(out, i)
			total = 0
		}
		total += s
	}
	return append(out, n)
}

// split divides an answer into messages that add up to it.
func (m *searchResponse) split() []*searchResponse {
	var out []*searchResponse
	from := 0
	for _, to := range cuts(len(m.Traces), func(i int) int { return len(m.Traces[i].appendProto(nil)) }) {
		out = append(out, &searchResponse{Traces: m.Traces[from:to], Metrics: m.Metrics})
		from = to
	}
	return out
}

// split divides an answer into messages that add up to it.
func (m *queryRangeResponse) split() []*queryRangeResponse {
	var out []*queryRangeResponse
	from := 0
	for _, to := range cuts(len(m.Series), func(i int) int { return len(m.Series[i].appendProto(nil)) }) {
		out = append(out, &queryRangeResponse{Series: m.Series[from:to], Metrics: m.Metrics, Status: m.Status, Message: m.Message})
		from = to
	}
	return out
}

// sendAll sends the parts of an answer.
func sendAll[M protoMessage](parts []M, send func(protoMessage) error) error {
	for _, m := range parts {
		if err := send(m); err != nil {
			return err
		}
	}
	return nil
}
