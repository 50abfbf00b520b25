// Package correlation defines what an ID is: which attributes carry one
// (vocabulary.go), which tokens of a text look like one (shape.go), and the
// normal form in which two spellings of the same ID are equal (normalize.go).
// Agent, server and query all use this one definition.
//
// # What counts
//
// The value of an attribute whose key is in the vocabulary counts whatever it
// looks like: request_id="42" is the request ID 42. The same holds for
// key=value and "key": "value" inside a text, so that JSON, logfmt, query
// strings and baggage need no parser of their own.
//
// Everywhere else a token counts by its shape:
//
//	6f1a6f2e-3b0c-4a9d-9b77-0f4a5f0c9e11      UUID, with or without dashes
//	4bf92f3577b34da6a3ce929d0e0e4736          hex of 16 digits and more
//	01ARZ3NDEKTSV4RRFFQ69G5FAV                ULID
//	3MqLQ2eZvKYlo2C1XyzAb9                    long mix of letters and digits
//	4f8a9c2b7d1e                              shorter, letters and digits in turns
//	V1StGXR8_Z5jdHi6B-myT                     the same with - and _ (NanoID)
//	req-8f3a2b  ord_123abc  order-10023       prefix and ID
//	blk_-1608999687919862906                  prefix and a long number
//	application_1445144423722_0020            prefix and numbers
//	00-4bf9...4736-00f067aa0ba902b7-01        traceparent: both its IDs
//	1-5759e988-bd862e3fe1be46a994272793       an X-Ray trace ID
//	0x34ede65503f002d                         long 0x numbers
//
// These do not: timestamps (2015-10-18T18:06:18,045, 20151018T180618Z), IP
// addresses, versions (1.2.3-beta4), class and host names
// (RMContainerAllocator, ip-10-0-12-34), pods (checkout-7d9f8b6c5d-x2x4z),
// words, plain numbers, all zeroes.
//
// # Where it looks
//
// In a log record: its trace context, attributes and body. In a span: its own,
// parent's and links' IDs, its attributes and its events' and links'
// attributes. Of a resource only the attributes of the vocabulary count: its
// other IDs (instance, container, pod) stand on every record it produced and
// would join nothing but itself.
//
// It may import telemetry only.
package correlation
