// Package healthcheck is the clew_health receiver: it asks services how they
// are, and writes down as metrics whether they answered, what they say of
// themselves and, where they say it, of everything that they need.
//
//   - httpcheck.status, httpcheck.duration and httpcheck.error are those of
//     OpenTelemetry's HTTP check: one point for each class of status, 1 for the
//     one that was answered. An error has its type, not its text: that would
//     make a new series for every port.
//   - health.status is what the answer says of the service: 1 is well, 0.5
//     degraded, 0 down.
//   - health.dependency.status is the same of a dependency, with its name and,
//     where the answer has them, its type and address.
//
// report.go reads answers; receiver.go asks.
package healthcheck
