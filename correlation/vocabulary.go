package correlation

import (
	"strings"
	"sync/atomic"
)

// vocabulary holds the keys that carry an ID, in lower case and without what
// separates their words. A longer key carries the ID that its last words name:
// app.checkout.request_id, awsRequestId and http.request.header.x_request_id
// are all "requestid".
var vocabulary = map[string]Kind{
	"traceid":             TraceID,
	"traceidw3c":          TraceID, // {"trace_id": {"w3c": ...}} of Kong
	"traceparent":         TraceID,
	"tracecontext":        TraceID,
	"b3":                  TraceID,
	"ubertraceid":         TraceID,
	"amzntraceid":         TraceID,
	"cloudtracecontext":   TraceID,
	"googleapiscomtrace":  TraceID,
	"sentrytrace":         TraceID,
	"spanid":              SpanID,
	"parentspanid":        SpanID,
	"datadogparentid":     SpanID,
	"requestid":           RequestID,
	"reqid":               RequestID,
	"requestguid":         RequestID,
	"requestuuid":         RequestID,
	"invocationid":        RequestID,
	"systemdinvocationid": none,
	"uniqueid":            RequestID,
	"auditid":             RequestID,
	"cfray":               RequestID,
	"rayid":               RequestID,
	"idempotencykey":      RequestID,
	"correlationid":       CorrelationID,
	"correlationkey":      CorrelationID,
	"correlationuuid":     CorrelationID,
	"corrid":              CorrelationID,
	"conversationid":      CorrelationID,
	"transactionid":       TransactionID,
	"transactionuuid":     TransactionID,
	"transid":             TransactionID,
	"txid":                TransactionID,
	"txnid":               TransactionID,
	"paymentid":           TransactionID,
	"sagaid":              TransactionID,
	"workflowid":          TransactionID,
	"executionid":         TransactionID,
	"bookingid":           TransactionID,
	"reservationid":       TransactionID,
	"shipmentid":          TransactionID,
	"invoiceid":           TransactionID,
	"refundid":            TransactionID,
	"messageid":           MessageID,
	"msgid":               MessageID,
	"eventid":             MessageID,
	"orderid":             OrderID,
	"orderuuid":           OrderID,
	"ordernumber":         OrderID,
	"orderno":             OrderID,
	"orderref":            OrderID,
	"cartid":              OrderID,
	"basketid":            OrderID,
	"checkoutid":          OrderID,
	"sessionid":           SessionID,
	"sessid":              SessionID,
	"jsessionid":          SessionID,
	"phpsessid":           SessionID,
	"userid":              UserID,
	"enduserid":           UserID,
	"customerid":          UserID,
	"accountid":           UserID,
	"googleapiscomspanid": SpanID,
}

// none is the kind of what is named like an ID of the vocabulary and is none of
// a request: a unit of systemd has one invocation for as long as it runs.
const none Kind = ""

// journaldInvocation ends the fields of journald that say the same.
const journaldInvocation = "INVOCATION_ID"

// lex is the vocabulary that this process goes by: see Config.Apply.
var lex atomic.Pointer[lexicon]

func init() {
	l, err := newLexicon(Config{})
	if err != nil {
		panic(err) // without words of its own there is nothing to be wrong
	}
	lex.Store(l)
}

// maxKey is the longest key that is looked at; the vocabulary's longest words
// fit many times.
const maxKey = 128

// KindOf returns the kind of ID that an attribute of this key carries. Case,
// dots, dashes, underscores and words in front make no difference.
func KindOf(attribute string) (Kind, bool) { return kindOf("", attribute) }

// kindOf is KindOf for a key inside the value of another one: {"order":
// {"id": 1}} carries an order's ID.
func kindOf(parent, key string) (Kind, bool) {
	if !mayName(key) || len(key)+len(parent) > maxKey {
		return "", false
	}
	var w words
	w.add(parent)
	w.add(key)
	kinds := lex.Load().kinds
	for i := range w.count {
		if k, ok := kinds[string(w.text[w.starts[i]:w.len])]; ok {
			return k, k != none && !strings.HasSuffix(key, journaldInvocation)
		}
	}
	return "", false
}

// mayName reports whether a key of the vocabulary can end as key does.
func mayName(key string) bool { return len(key) >= 2 && lex.Load().mayEnd(key) }

// words is a key in lower case without separators, and where its words start.
type words struct {
	text   [maxKey]byte
	starts [24]uint8
	len    int
	count  int
}

func (w *words) add(key string) {
	boundary := true
	for i := range len(key) {
		c := key[i]
		cl := class[c]
		if cl&(clDigit|clLower|clUpper) == 0 {
			boundary = true
			continue
		}
		if cl&clUpper != 0 {
			// requestId starts a word at I, HTTPRequest at R.
			if i > 0 && (class[key[i-1]]&(clLower|clDigit) != 0 || i+1 < len(key) && class[key[i+1]]&clLower != 0) {
				boundary = true
			}
			c |= 0x20
		}
		if boundary && w.count < len(w.starts) {
			w.starts[w.count] = uint8(w.len)
			w.count++
		}
		boundary = false
		w.text[w.len] = c
		w.len++
	}
}

// maxValue is the longest value of a key that is an ID; longer ones are texts.
const maxValue = 256

// isTrivial reports whether the value of a key of the vocabulary says that
// there is no ID.
func isTrivial(v string) bool {
	if v == "" || len(v) > maxValue || isPlaceholder(v) {
		return true
	}
	if len(v) <= len("undefined") {
		var buf [len("undefined")]byte
		for i := range len(v) {
			c := v[i]
			if class[c]&clUpper != 0 {
				c |= 0x20
			}
			buf[i] = c
		}
		switch string(buf[:len(v)]) {
		case "null", "nil", "none", "undefined", "unknown", "n/a", "na", "nan", "empty", "missing", "true", "false",
			"(null)", "<nil>", "(none)", "<null>", "anonymous", "unset", "not set", "not-set", "not_set", "-1":
			return true
		}
	}
	for i := range len(v) {
		switch c := v[i]; {
		case c == '\n', c == '\r':
			return true
		case class[c]&(clDigit|clLower|clUpper) != 0 && c != '0', c >= 0x80:
			return hasNewline(v[i:])
		}
	}
	return true // nothing but zeroes, dashes and other signs
}

// isPlaceholder knows what a layout leaves where nothing was put in: $request_id,
// ${requestId}, %X{traceId}, {{trace_id}}.
func isPlaceholder(v string) bool {
	switch v[0] {
	case '$':
		return len(v) > 1 && class[v[1]]&clDigit == 0
	case '%':
		return strings.HasPrefix(v, "%X") || strings.HasPrefix(v, "%{")
	case '{':
		return strings.HasPrefix(v, "{{")
	}
	return false
}

func hasNewline(s string) bool {
	for i := range len(s) {
		if s[i] == '\n' {
			return true
		}
	}
	return false
}
