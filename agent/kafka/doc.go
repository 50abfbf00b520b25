// Package kafka is the Collector's Kafka exporter behind a queue that gives
// nothing up that Kafka could still take. The Collector's own drops what is
// refused for a reason that has nothing to do with the data, such as a missing
// right or a producer's lost state, and a whole request where it is larger than
// a message may be. Here the first is tried again, and the second is sent in
// parts: a record that is too large by itself is the only one that is dropped,
// and that is logged.
//
// The parts of a request are the same ones each time: what arrives twice has
// the same bytes, and the server stores it once. The package imports nothing of
// clew.
package kafka
